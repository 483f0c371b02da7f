import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { WorkerRecord } from '../../src/worker/worker-record.ts'
import { buildOfExample } from '../support/builds.ts'
import { ill, visit, type Visitors } from '../support/ill-release.ts'
import { quick, runAction, type RunOptions, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import type { Workspace } from '../support/workspace.ts'

/** One worker serves a release first, and real traffic says whether the others follow. */

const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? describe : describe.skip

let server: TestServer
let workspace: Workspace
let visitors: Visitors
let instances = '3'
let good: string

const deploy = (
  from: Pick<Workspace, 'path'>,
  inputs: Record<string, string> = {},
  options: Partial<RunOptions> = {},
): Promise<RunResult> =>
  runAction({
    workspace: from.path,
    inputs: { ...server.inputs, ...quick, instances, ...inputs },
    ...options,
  })

/** The releases of the workers that take visitors. */
function open(): readonly string[] {
  const folder = join(server.app, '.gapless/workers')
  return readdirSync(folder)
    .filter((name) => /^\d+\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as WorkerRecord)
    .flatMap(({ phase, release, candidate }) => (phase === 'open' && !candidate ? [release] : []))
    .sort()
}

/** Waits until one worker alone serves another release than the good one. @returns that release */
async function canary(): Promise<string> {
  const workers = Math.max(2, Number(instances))
  const [release = ''] = await until(
    'there is a canary',
    () => {
      const others = open().filter((id) => id !== good)
      return others.length === 1 && open().length === workers && server.current() === good && others
    },
    60_000,
  )
  return release
}

beforeAll(async () => {
  if (!all) return
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

thorough.each(['3', '1'])('with %s workers', (count) => {
  beforeAll(async () => {
    instances = count
    const run = await deploy(workspace)
    if (run.code !== 0) throw new Error(run.log)
    good = run.outputs['release']!
  }, 120_000)

  test('a good release serves one worker first, and all of them when the time is over', async () => {
    const running = deploy(workspace, { canary: '15s' })
    const release = await canary()
    const status = await deploy(workspace, { command: 'status', 'app-name': 'next-app' })
    expect(status.log).toContain(`${release} is a canary`)
    expect([status.code, status.outputs['status']]).toEqual([0, 'live'])
    const run = await running
    expect([run.code, run.outputs['status'], run.outputs['previous-release']]).toEqual([0, 'live', good])
    expect(run.log).toMatch(/canary: \d+ requests, 0\.0% failed/)
    expect([open(), visitors.broken]).toEqual([Array(Number(count)).fill(release), []])
    good = release
  }, 120_000)

  test('a release that fails its visitors is taken back from the canary, and only its share saw it', async () => {
    const from = ill(workspace, 1)
    const before = visitors.statuses.length
    try {
      const run = await deploy(from, { canary: '5m' })
      expect([run.code, run.outputs['status'], run.outputs['live-release']]).toEqual([1, 'restored', good])
      const healed = Array(Number(count)).fill(good).join()
      await until('only the good release serves', () => open().join() === healed)
      expect(visitors.broken).toEqual([])
      const seen = visitors.statuses.slice(before)
      const failed = seen.filter((status) => status >= 500).length
      expect(failed / seen.length).toBeLessThan(1 / Math.max(2, Number(count)))
    } finally {
      from.remove()
    }
  }, 120_000)

  test('the canary goes on when the runner dies, and the others follow', async () => {
    const onStart: RunOptions['onStart'] = (child) => void canary().then(() => child.kill('SIGKILL'))
    await deploy(workspace, { canary: '20s' }, { onStart })
    const release = open().find((id) => id !== good)!
    await until('all serve it', () => open().join() === Array(Number(count)).fill(release).join(), 90_000)
    expect([server.current(), visitors.broken]).toEqual([release, []])
    const next = await deploy(workspace)
    expect([next.code, next.outputs['previous-release']]).toEqual([0, release])
    good = next.outputs['release']!
  }, 180_000)

  test('a newer deploy ends the canary, and goes live', async () => {
    const running = deploy(workspace, { canary: '5m' })
    await canary()
    const newer = await deploy(workspace)
    expect([newer.code, newer.outputs['status'], newer.outputs['previous-release']]).toEqual([
      0,
      'live',
      good,
    ])
    const run = await running
    expect([run.code, run.outputs['status']]).toEqual([1, 'restored'])
    expect(run.summary).toContain('overtaken')
    good = newer.outputs['release']!
    expect([open(), visitors.broken]).toEqual([Array(Number(count)).fill(good), []])
  }, 180_000)

  test('a rollback by hand ends the canary, and the release before it serves', async () => {
    const running = deploy(workspace, { canary: '5m' })
    await canary()
    const back = await deploy(workspace, { command: 'rollback', 'app-name': 'next-app' })
    expect([back.code, back.outputs['status'], back.outputs['live-release']]).toEqual([0, 'live', good])
    expect((await running).outputs['status']).toBe('restored')
    expect([server.current(), visitors.broken]).toEqual([good, []])
  }, 180_000)

  test('a canary that exits is taken back', async () => {
    const running = deploy(workspace, { canary: '5m' })
    const release = await canary()
    const folder = join(server.app, '.gapless/workers')
    await delay(1000)
    for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.json'))) {
      const { pid, release: of } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
        pid: number
        release: string
      }
      if (of === release) process.kill(pid, 'SIGKILL')
    }
    const run = await running
    expect([run.code, run.outputs['status'], run.outputs['live-release']]).toEqual([1, 'restored', good])
    expect(run.summary).toContain('as a canary restarted or exited')
  }, 120_000)
})
