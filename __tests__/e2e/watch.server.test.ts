import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { ill, visit, type Visitors } from '../support/ill-release.ts'
import { runAction, type RunOptions, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import type { Workspace } from '../support/workspace.ts'

/** Real traffic on a release on probation: what it takes back, and what it leaves alone. */

const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? test : test.skip
const quick = {
  'install-command': 'none',
  'build-command': 'none',
  observe: '500ms',
  'drain-timeout': '2s',
  'health-check-path': '/api/health',
}

let server: TestServer
let workspace: Workspace
let visitors: Visitors
let good: string

const deploy = (
  from: Workspace,
  inputs: Record<string, string> = {},
  options: Partial<RunOptions> = {},
): Promise<RunResult> =>
  runAction({ workspace: from.path, inputs: { ...server.inputs, ...quick, ...inputs }, ...options })

beforeAll(async () => {
  workspace = await buildOfExample('first')
  server = await startServer()
  const first = await deploy(workspace)
  if (first.code !== 0) throw new Error(first.log)
  good = first.outputs['release']!
  visitors = visit(server.url)
  await until('the good release has answered', () => visitors.statuses.length >= 60)
}, 240_000)
afterAll(async () => {
  await visitors?.stop()
  await server?.stop()
  workspace?.remove()
}, 60_000)

test('a release whose visitors get errors is taken back, with both shares as evidence', async () => {
  const from = ill(workspace, 0.5)
  try {
    const run = await deploy(from, { watch: '40s' })
    expect([run.code, run.outputs['status'], run.outputs['live-release']]).toEqual([1, 'restored', good])
    expect(server.current()).toBe(good)
    for (const text of ['traffic-worse', 'before: 0 of', '/api/release', 'the shop is on fire', '| watch |'])
      expect(run.summary).toContain(text)
    expect(run.summary).not.toContain('token=hidden')
    expect(visitors.broken).toEqual([])
  } finally {
    from.remove()
  }
}, 120_000)

thorough(
  'a release stays that answers 404, and whose clients give up',
  async () => {
    const run = await deploy(workspace, { watch: '12s' })
    expect([run.code, run.outputs['status']]).toEqual([0, 'live'])
    expect(run.log).toMatch(/watch: \d+ requests, 0\.0% failed, p95 .*; the release before: \d+ requests, /)
    expect(visitors.broken).toEqual([])
    good = run.outputs['release']!
  },
  120_000,
)

thorough(
  'the server goes on watching when the runner dies, and the next run says so',
  async () => {
    const from = ill(workspace, 0.5, 14_000)
    try {
      const run = await deploy(
        from,
        { watch: '60s' },
        {
          onStart: (child) =>
            void until('it is on probation', () => server.current() !== good, 60_000)
              .then(() => delay(3000))
              .then(() => child.kill('SIGKILL')),
        },
      )
      expect(run.code).not.toBe(0)
      await until('the server takes it back', () => server.current() === good, 90_000)
      await until(
        'the verdict is there',
        () =>
          readFileSync(join(server.app, '.gapless/journal.jsonl'), 'utf8')
            .trimEnd()
            .split('\n')
            .at(-1)!
            .includes('"detail":"restored"'),
        60_000,
      )
      const status = await deploy(workspace, { command: 'status', 'app-name': 'next-app' })
      expect(status.log).toMatch(/was taken back at .*, and ended restored: /)
    } finally {
      from.remove()
    }
  },
  180_000,
)

thorough(
  'a newer deploy ends the watch',
  async () => {
    const first = deploy(workspace, { watch: '5m' })
    const before = server.current()
    await until('it serves', () => server.current() !== before, 60_000)
    await delay(5000)
    const second = await deploy(workspace)
    expect([second.code, second.outputs['status']]).toEqual([0, 'live'])
    const run = await first
    expect([run.code, run.outputs['status']]).toEqual([0, 'live'])
    expect(run.summary).toContain('another activation began')
  },
  180_000,
)
