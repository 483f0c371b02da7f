/** Outcomes for the tests of the report. */
import { Failure } from '../../src/common/failure.ts'
import { type HostOutcome, nothingKnown, type Outcome, untouched } from '../../src/outcome.ts'
import type { ReleaseInfo, ReleaseSummary, WorkerState } from '../../src/protocol/messages.ts'
import type { Report } from '../../src/report/summary.ts'

export const [before, now] = ['20260101000001', '20260101000002'] as const

export function outcomeOf(changes: Partial<Outcome> = {}): Outcome {
  return { ...untouched(nothingKnown), ...changes }
}

export const live = outcomeOf({
  status: 'live',
  succeeded: true,
  release: now,
  previousRelease: before,
  rollsBackTo: before,
  liveRelease: now,
  uploadedBytes: 93_000,
  sent: { files: 76, bytes: 316_000, ofFiles: 1470, ofBytes: 39_100_000 },
})

export function hostOutcome(changes: Partial<HostOutcome> = {}): HostOutcome {
  return {
    name: null,
    status: 'live',
    live: now,
    failure: null,
    workers: [],
    releases: [],
    server: null,
    dryRun: null,
    ...changes,
  }
}

export function releaseInfo(changes: Partial<ReleaseInfo> = {}): ReleaseInfo {
  return {
    id: now,
    commit: '',
    ref: '',
    actor: '',
    event: null,
    runUrl: '',
    workflow: '',
    runNumber: 0,
    runAttempt: 1,
    created: '',
    built: null,
    entry: 'server.js',
    staticPath: null,
    nextVersion: '',
    contentHash: '',
    distDir: null,
    ...changes,
  }
}

export function releaseSummary(changes: Partial<ReleaseSummary> = {}): ReleaseSummary {
  return {
    id: now,
    live: false,
    activatedAt: null,
    left: false,
    staged: false,
    info: null,
    bytes: 0,
    ...changes,
  }
}

export function workerState(changes: Partial<WorkerState> = {}): WorkerState {
  return {
    pmId: '0',
    pid: 4242,
    status: 'online',
    release: now,
    phase: 'open',
    restarts: 0,
    memoryBytes: 0,
    cache: null,
    traffic: null,
    ...changes,
  }
}

/** A report in which no field is empty: together, every part of the summary. */
export function fullReport(): Report {
  const traffic = {
    answers: [0, 5, 1, 1, 1],
    aborted: 1,
    errors: 1,
    inProgress: 1,
    slowestMs: 9,
    times: [1, 2],
    loopDelayMs: 1,
    memoryBytes: 1,
    failing: { '/cart': 2 },
    past: [{ at: 1, answered: 1, failed: 1 }],
  }
  const failure = (where: string) =>
    new Failure('worker-died', `A worker died on ${where}`, {
      remedy: 'Read its last log lines.',
      evidence: `the log of ${where}`,
    })
  const info = releaseInfo({
    id: before,
    commit: '0123456789abcdef',
    ref: 'refs/heads/main',
    actor: 'ann',
    event: 'push',
    runUrl: 'https://github.example/acme/shop/actions/runs/1',
    workflow: 'Deploy',
    runNumber: 7,
    created: '2026-01-01T00:00:01.000Z',
    built: '2026-01-01T00:00:00.000Z',
    staticPath: '.next/static',
    nextVersion: '16.0.0',
    contentHash: 'abc',
    distDir: '.next/',
  })
  const cache = { shared: false, why: 'its file is gone' }
  const verdict = {
    status: 'down' as const,
    live: before,
    previous: before,
    rollsBackTo: before,
    notFound: 'ENOENT: a missing file',
    watch: { open: true, line: '12 requests', warnings: ['It is slow.'] },
    failure: { code: 'locked', message: 'It is locked', remedy: 'Wait.', evidence: 'its holder' },
    workers: [workerState({ cache, traffic })],
  }
  const host = (name: string) =>
    hostOutcome({
      name,
      status: 'down',
      live: before,
      failure: failure(name),
      workers: [workerState({ status: 'launching', phase: 'draining', cache, traffic })],
      releases: [releaseSummary({ id: before, activatedAt: '2026-01-01T00:00:01.000Z', info })],
      server: {
        now: '2026-01-02T00:00:00.000Z',
        freeBytes: 1,
        lock: 'run 8',
        interrupted: 'an activation',
        journal: [
          {
            time: '2026-01-01T00:00:02.000Z',
            activation: 'an id',
            before: { current: before, previous: before },
            canary: {
              release: '20260101000002',
              since: 1,
              pid: 4242,
              others: [{ pid: 4243, answered: 9, failed: 1 }],
            },
            probation: {
              since: 1,
              before: { answered: 1, failed: 1, p95: 1 },
              restartsBefore: 1,
              pids: [4242],
              verdict,
            },
            cause: failure(name).toRecord(),
            step: 'swap',
            state: 'note',
            detail: 'a detail',
            verdict,
          },
        ],
      },
      dryRun: {
        sending: { files: [{ path: 'server.js', size: 1 }], of: { files: 2, bytes: 3 } },
        pruned: [before],
        findings: [{ effect: 'waits', code: 'locked', message: 'It is locked', remedy: 'Wait.' }],
      },
    })
  const row = {
    host: 'web-1',
    startedAt: 0,
    durationMs: 1,
    detail: 'A worker died on web-1',
    evidence: 'the log of the row',
  }
  return {
    title: 'deploy shop on 2 hosts',
    command: 'deploy',
    origin: {
      commit: '0123456789abcdef',
      actor: 'ann',
      runNumber: 7,
      runUrl: 'https://github.example/acme/shop/actions/runs/1',
      repositoryUrl: 'https://github.example/acme/shop',
      errorsUrl: 'https://github.example/acme/gapless/blob/v1/docs/errors.md',
    },
    url: 'https://shop.example/',
    unrecorded: 'Could not record the deployment on GitHub.',
    outcome: {
      status: 'down',
      succeeded: false,
      release: now,
      previousRelease: before,
      rollsBackTo: before,
      liveRelease: before,
      uploadedBytes: 1,
      sent: { files: 1, bytes: 2, ofFiles: 3, ofBytes: 4 },
      failure: failure('web-1'),
      infos: [info],
      hosts: [host('web-1'), host('web-2')],
      preview: { sharesUser: true, unreachable: ['User www-data'], removed: ['removed preview pr-1'] },
    },
    rows: [
      { ...row, phase: 'verify', state: 'ok' },
      { ...row, phase: 'reload', state: 'failed' },
    ],
    durationMs: 1,
  }
}
