/** One report of each kind. The figures are made up: what is drawn is the design. */
import { type HostOutcome, nothingKnown, type Outcome, untouched } from '../../src/outcome.ts'
import type { PhaseName, Row } from '../../src/pipeline.ts'
import { Failure } from '../../src/protocol/failure.ts'
import type { ReleaseSummary, WorkerState } from '../../src/protocol/messages.ts'
import type { Report } from '../../src/report/summary.ts'

const [older, before, now] = ['20261118094211', '20261119160744', '20261121050312'] as const

type Step = readonly [phase: PhaseName, ms: number, detail: string, host?: string | undefined, at?: number]

/** One after the other, unless a step says when it began. */
function rowsOf(steps: readonly Step[], end: Row['state'] = 'ok'): readonly Row[] {
  let clock = 0
  return steps.map(([phase, durationMs, detail, host = null, at], index) => {
    const startedAt = at ?? clock
    clock = startedAt + durationMs
    return { phase, host, state: index === steps.length - 1 ? end : 'ok', startedAt, durationMs, detail }
  })
}

const connect: Step = [
  'connect',
  812,
  `203.0.113.7, Node 22.11.0, PM2 7.0.4, /home/deploy/apps/shop: ${before} is live`,
]
const build: Step = ['build', 41_300, 'Next.js 16.0.3: npm ci, npm run build']
const assemble: Step = ['assemble', 640, '1470 files, 39.1 MB']
const upload: Step = ['upload', 930, `${now}: sent 76 files in 98.2 KB, 1394 were there already`]
const verify: Step = ['verify', 2400, 'healthy on a spare port after 1.9 s (HTTP 200)']
const swap: Step = ['swap', 35, `current: ${before} → ${now}`]
const reload: Step = ['reload', 11_800, '2 workers, each after 5.0 s of proof']
const health: Step = ['health-check', 5100, '2 workers serve it and stayed up for 5.0 s (HTTP 200)']
const cleanup: Step = ['cleanup', 120, 'removed 1 release, kept 5']

function worker(pid: number, changes: Partial<WorkerState> = {}): WorkerState {
  const state = { status: 'online', release: now, phase: 'open', restarts: 3, memoryBytes: 98_000_000 }
  return { pmId: '0', pid, ...state, ...changes }
}

function host(changes: Partial<HostOutcome> = {}): HostOutcome {
  return {
    name: null,
    status: 'live',
    live: now,
    workers: [worker(41_207), worker(41_231)],
    releases: [],
    server: null,
    rehearsal: null,
    ...changes,
  }
}

function outcome(changes: Partial<Outcome>): Outcome {
  const sent = { files: 76, bytes: 316_000, ofFiles: 1470, ofBytes: 39_100_000 }
  const known = { ...nothingKnown, live: before, release: now, uploadedBytes: 98_200, sent }
  return { ...untouched(known), hosts: [host()], ...changes }
}

function report(result: Outcome, rows: readonly Row[], changes: Partial<Report> = {}): Report {
  const repositoryUrl = 'https://github.com/acme/shop'
  return {
    title: 'deploy shop on shop.example',
    command: 'deploy',
    origin: {
      commit: '4f7c2a91d0e35b8c6a7d9e0f1b2c3d4e5f607182',
      actor: 'ann',
      runNumber: 128,
      runUrl: `${repositoryUrl}/actions/runs/42`,
      repositoryUrl,
      errorsUrl: 'https://github.com/your-org/gapless/blob/v1/docs/errors.md',
    },
    outcome: result,
    rows,
    durationMs: rows.reduce((most, { startedAt, durationMs }) => Math.max(most, startedAt + durationMs), 0),
    ...changes,
  }
}

const live = outcome({ status: 'live', succeeded: true, previousRelease: before, liveRelease: now })

const died = new Failure(
  'candidate-died',
  'the new release ended by itself with exit code 1 before it was healthy',
  {
    remedy:
      'Correct what its last lines say. Variables that the app needs at run time belong in the input `env`.',
    evidence: [
      ' ⨯ Failed to load instrumentation.js',
      'Error: DATABASE_URL is not set',
      '    at connect (/home/deploy/apps/shop/releases/20261121050312/.next/server/chunks/812.js:1:4410)',
      '    at register (/home/deploy/apps/shop/releases/20261121050312/.next/server/instrumentation.js:1:902)',
    ].join('\n'),
  },
)
const unhealthy = new Failure('worker-died', 'worker 1 ended 1.4 s after it was ready', {
  remedy: 'Look at its last lines below: it dies under PM2 only, or only some time after it is up.',
  evidence:
    'TypeError: fetch failed\n    at node:internal/deps/undici/undici:13510:13\n  cause: ECONNREFUSED 127.0.0.1:6379',
})
const stuck = new Failure(
  'worker-died',
  'worker 0 ended 0.3 s after it was ready; then the way back failed',
  {
    remedy:
      'Log in and look at `pm2 logs shop`. Then run the rollback workflow with the release that was live.',
    evidence: 'Error: ENOSPC: no space left on device, write',
  },
)

const releases: readonly ReleaseSummary[] = [older, before, now].map((id) => ({
  id,
  live: id === now,
  activatedAt: new Date(0).toISOString(),
  info: null,
  bytes: 39_100_000,
}))

const server = {
  now: '2026-11-21T09:12:00.000Z',
  freeBytes: 12_300_000_000,
  lock: null,
  interrupted: null,
  journal: [],
}

const several = ['web-1.example', 'web-2.example', 'web-3.example']
const onSeveral = (step: Step, at: number, apart = 0): readonly Step[] =>
  several.map((name, index) => [step[0], step[1] + 90 * index, step[2], name, at + apart * index])

export const reports: Readonly<Record<string, Report>> = {
  success: report(live, rowsOf([connect, build, assemble, upload, verify, swap, reload, health, cleanup])),
  kept: report(
    outcome({ previousRelease: before, liveRelease: before, failure: died, hosts: [] }),
    rowsOf([connect, build, assemble, upload, ['verify', 1700, died.message]], 'failed'),
  ),
  restored: report(
    outcome({
      status: 'restored',
      previousRelease: before,
      liveRelease: before,
      failure: unhealthy,
      hosts: [host({ status: 'restored', live: before, workers: [worker(40_112, { release: before })] })],
    }),
    [
      ...rowsOf(
        [connect, build, assemble, upload, verify, swap, ['reload', 7200, unhealthy.message]],
        'failed',
      ),
      ...rowsOf([['rollback', 6100, `${before} is live again`, undefined, 53_400]]),
    ],
  ),
  down: report(
    outcome({
      status: 'down',
      previousRelease: before,
      liveRelease: null,
      failure: stuck,
      hosts: [
        host({
          status: 'down',
          live: null,
          workers: [worker(0, { status: 'errored', release: null, phase: null, restarts: 15 })],
        }),
      ],
    }),
    rowsOf([connect, build, assemble, upload, verify, swap, ['reload', 31_000, stuck.message]], 'failed'),
  ),
  rollback: report(
    { ...live, release: before, previousRelease: now, liveRelease: before, sent: null, uploadedBytes: 0 },
    rowsOf([connect, verify, swap, reload, health, cleanup]),
    { title: 'rollback shop on shop.example', command: 'rollback' },
  ),
  'dry-run': report(
    { ...outcome({ succeeded: true, release: null, liveRelease: before }), sent: null, hosts: [] },
    rowsOf([connect, build, assemble]),
  ),
  status: report(
    outcome({
      status: 'live',
      succeeded: true,
      release: null,
      liveRelease: now,
      sent: null,
      hosts: [host({ releases, server })],
    }),
    rowsOf([connect, ['status', 310, '3 releases, 2 workers']]),
    { title: 'status shop on shop.example', command: 'status' },
  ),
  hosts: report(
    { ...live, hosts: several.map((name) => host({ name })) },
    rowsOf([
      ...onSeveral(connect, 0),
      [...build.slice(0, 3), undefined, 1000] as unknown as Step,
      assemble,
      ...onSeveral(upload, 43_000),
      ...onSeveral(verify, 44_200),
      ...onSeveral(reload, 46_900, 12_100),
      ...onSeveral(health, 58_900, 12_100),
    ]),
    { title: 'deploy shop on 3 hosts' },
  ),
}
