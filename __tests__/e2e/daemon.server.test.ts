/** Promise 7: the site outlives PM2's daemon, and the next run takes over from the workers that did. */
import { copyFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { readWorkers } from '../../src/agent/pm2/workers.ts'
import { layoutOf } from '../../src/agent/store/layout.ts'
import { startTimeOf } from '../../src/common/process-identity.ts'
import { buildOfExample } from '../support/builds.ts'
import { daemonPid } from '../support/daemon-pid.ts'
import { temporaryFolders } from '../support/folder.ts'
import { startLoad } from '../support/load.ts'
import { prebuilt, runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? test : test.skip
/** Requests inside the moment of the death. */
const MOMENT = 10

const folder = temporaryFolders()
let server: TestServer
let first: Workspace
let second: Workspace

beforeAll(async () => {
  first = await buildOfExample('first')
  second = await buildOfExample('second')
}, 240_000)
afterAll(() => {
  first?.remove()
  second?.remove()
})
beforeEach(async () => {
  server = await startServer()
  expect((await run(first)).outputs['status']).toBe('live')
}, 60_000)
afterEach(() => server.stop())

const run = (from: Workspace, inputs: Record<string, string> = {}): Promise<RunResult> =>
  runAction({ workspace: from.path, inputs: { ...server.inputs, ...prebuilt, ...inputs } })
const load = () => startLoad(server.url, { keepAlive: 4, fresh: 2, post: 2, stream: 1 })
const records = () => readWorkers(layoutOf(server.app).workers)

async function killDaemon(): Promise<void> {
  const daemon = daemonPid(server)
  process.kill(daemon, 'SIGKILL')
  await until('the daemon is gone', () => startTimeOf(daemon) === null)
}

/** @returns how many requests failed while the daemon died */
async function die(): Promise<number> {
  const visitors = load()
  await until('visitors come', () => visitors.soFar().requests > 100)
  await killDaemon()
  const asked = visitors.soFar().requests
  await until('visitors come still', () => visitors.soFar().requests > asked + 200)
  const { failures } = await visitors.stop()
  process.stdout.write(`the daemon's death: ${JSON.stringify(failures)}\n`)
  return failures.length
}

async function onlyListedWorkers(): Promise<void> {
  const pids = await until(
    'the orphans have left',
    async () => {
      const found = await records()
      return found.length === 2 && found.every(({ orphaned }) => orphaned === null) ? found : null
    },
    60_000,
  )
  const listed = (await server.pm2List()).filter(({ pm2_env }) => pm2_env.status === 'online')
  expect(new Set(listed.map(({ pid }) => pid))).toEqual(new Set(pids.map(({ pid }) => pid)))
}

test('a deploy takes over from workers that outlived the daemon, and its report says so', async () => {
  expect(await die()).toBeLessThanOrEqual(MOMENT)
  const status = await run(first, { command: 'status' })
  expect(status.outputs['status']).toBe('live')
  expect(status.log).toContain("PM2's daemon died, 2 workers kept serving: the next deploy takes over")

  const visitors = load()
  const deploy = await run(second)
  await onlyListedWorkers()
  const { failures } = await visitors.stop()
  expect({ log: deploy.code === 0 ? '' : deploy.log, failures }).toEqual({ log: '', failures: [] })
  expect(deploy.summary).toContain('daemon had died: 2 workers kept serving without it')
}, 180_000)

thorough(
  'a release that fails leaves the workers that outlived the daemon serving until the old one is back',
  async () => {
    const { outputs } = await run(first, { command: 'status' })
    await killDaemon()
    const visitors = load()
    const dying = sabotage(
      second.copyBuilt(),
      `if (process.env.pm_id !== undefined) setTimeout(() => process.exit(1), 300)`,
    )
    const deploy = await run(dying)
    dying.remove()
    await onlyListedWorkers()
    expect((await visitors.stop()).failures).toEqual([])
    expect(deploy.outputs).toMatchObject({ status: 'restored', 'live-release': outputs['live-release'] })
  },
  180_000,
)

thorough(
  '`pm2 resurrect` takes over, as the unit does when it restarts the daemon',
  async () => {
    await killDaemon()
    const visitors = load()
    await server.pm2('resurrect')
    await onlyListedWorkers()
    expect((await visitors.stop()).failures).toEqual([])
  },
  120_000,
)

thorough(
  'a worker that exits meanwhile is reported',
  async () => {
    await killDaemon()
    const [worker] = await until('they know', async () => {
      const found = await records()
      return found.every(({ orphaned }) => orphaned !== null) ? found : null
    })
    process.kill(worker!.pid, 'SIGKILL')
    const visitors = load()
    const deploy = await run(second)
    await onlyListedWorkers()
    expect((await visitors.stop()).failures).toEqual([])
    expect(deploy.summary).toContain('1 worker kept serving without it, 1 more exited meanwhile')
  },
  120_000,
)

thorough(
  'a daemon whose Node was removed is found out before the swap, and the remedy works',
  async () => {
    await server.stop()
    const node = join(folder(), 'node')
    copyFileSync(process.execPath, node)
    server = await startServer({ node })
    expect((await run(first)).outputs['status']).toBe('live')
    // A version manager brought another one.
    rmSync(node)
    rmSync(join(server.home, 'bin/node'))
    symlinkSync(process.execPath, join(server.home, 'bin/node'))
    const visitors = load()
    const refused = await run(second)
    expect((await visitors.stop()).failures).toEqual([])
    expect(refused.outputs['status']).toBe('kept')
    expect(refused.summary).toContain('pm2-stranded')
    expect(refused.summary).toContain(`kill -9 ${daemonPid(server)}`)

    expect(await die()).toBeLessThanOrEqual(MOMENT)
    const later = load()
    const deploy = await run(second)
    expect({ log: deploy.code === 0 ? '' : deploy.log, ...deploy.outputs }).toMatchObject({
      log: '',
      status: 'live',
    })
    await until('the orphans have left', async () => (await records()).length === 2, 60_000)
    expect((await later.stop()).failures).toEqual([])
  },
  180_000,
)
