/** Outcomes for the tests of the report. */
import { type HostOutcome, nothingKnown, type Outcome, untouched } from '../../src/outcome.ts'
import type { ReleaseInfo, ReleaseSummary, WorkerState } from '../../src/protocol/messages.ts'

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
    rehearsal: null,
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
  return { id: now, live: false, activatedAt: null, left: false, info: null, bytes: 0, ...changes }
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
    ...changes,
  }
}
