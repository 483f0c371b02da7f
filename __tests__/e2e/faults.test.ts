import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { type Load, startLoad } from '../support/load.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { checkOut, type Workspace } from '../support/workspace.ts'

/** Promise 4: any process may die at any moment. The harness watches the journal; the product has no hooks. */

const prebuilt = { 'install-command': 'none', 'build-command': 'none', observe: '1s' }
let server: TestServer
let first: Workspace
let second: Workspace
let load: Load

beforeAll(async () => {
  server = await startServer()
  const checkout = checkOut()
  const run = await runAction({ workspace: checkout.path, inputs: { ...server.inputs, observe: '1s' } })
  if (run.code !== 0) throw new Error(run.log)
  first = checkout.copyBuilt()
  checkout.setMessage('second')
  const rebuilt = await runAction({
    workspace: checkout.path,
    inputs: { ...server.inputs, 'install-command': 'none', 'dry-run': 'true' },
  })
  if (rebuilt.code !== 0) throw new Error(rebuilt.log)
  second = checkout.copyBuilt()
  checkout.remove()
}, 240_000)
afterAll(async () => {
  await server?.stop()
  first?.remove()
  second?.remove()
})
beforeEach(() => {
  load = startLoad(server.url, { keepAlive: 4, fresh: 2, post: 2, stream: 1 })
})

const journalFile = () => join(server.app, '.gapless', 'journal.jsonl')
const journal = () => (existsSync(journalFile()) ? readFileSync(journalFile(), 'utf8') : '')
const message = async () =>
  ((await (await fetch(`${server.url}/api/release`)).json()) as { message: string }).message
const leftovers = () =>
  ['incoming', 'activations'].flatMap((folder) => readdirSync(join(server.app, '.gapless', folder)))

/** Begins a deploy, and does something at the moment when the journal says that a step began. */
async function deployUntil(
  workspace: Workspace,
  step: string,
  act: (kill: (signal: NodeJS.Signals) => void) => void | Promise<void>,
): Promise<RunResult> {
  const from = journal().length
  let kill: (signal: NodeJS.Signals) => void = () => undefined
  const run = runAction({
    workspace: workspace.path,
    inputs: { ...server.inputs, ...prebuilt },
    onStart: (child) => (kill = (signal) => void child.kill(signal)),
  })
  await until(
    `${step} begins`,
    () => journal().slice(from).includes(`"step":"${step}","state":"begin"`),
    30_000,
  )
  await act(kill)
  return run
}

/** The pid of the activation that runs now: those that were killed leave their files for a minute. */
function activationPid(): number {
  const folder = join(server.app, '.gapless', 'activations')
  const pids = readdirSync(folder)
    .filter((name) => name.endsWith('.owner'))
    .map((name) => (JSON.parse(readFileSync(join(folder, name), 'utf8')) as { pid: number }).pid)
  return pids.find((pid) => existsSync(`/proc/${pid}`))!
}

async function deployAgain(workspace: Workspace, expected: string): Promise<void> {
  const run = await runAction({ workspace: workspace.path, inputs: { ...server.inputs, ...prebuilt } })
  expect({ code: run.code, ...run.outputs, log: run.code === 0 ? '' : run.log }).toMatchObject({
    code: 0,
    status: 'live',
    log: '',
  })
  expect(await message()).toBe(expected)
}

test('a run that is cancelled while it waits for the lock withdraws', async () => {
  const before = server.current()
  const holder = deployUntil(second, 'reload', () => undefined)
  await until('the first holds the lock', () => activationPid() !== undefined)
  const cancelled = await deployUntil(first, 'lock', (kill) => kill('SIGINT'))
  expect(cancelled.code).not.toBe(0)
  const post = await runAction({
    workspace: first.path,
    inputs: { ...server.inputs, ...prebuilt },
    step: 'post',
    state: cancelled.state,
  })
  expect({ code: post.code, status: post.outputs['status'] }).toEqual({ code: 1, status: 'kept' })
  expect(post.summary).toContain('withdrawn')
  expect((await holder).outputs['status']).toBe('live')
  expect(server.current()).not.toBe(before)
  expect(await message()).toBe('second')
  expect((await load.stop()).failures).toEqual([])
}, 90_000)

describe.each(['swap', 'reload', 'health-check'])('while the server is at %s', (step) => {
  test('a cut connection is taken up again, and the run ends green', async () => {
    const run = await deployUntil(second, step, () => server.sshd.dropConnections())
    expect({ code: run.code, ...run.outputs, log: run.code === 0 ? '' : run.log }).toMatchObject({
      code: 0,
      status: 'live',
      log: '',
    })
    expect(run.log).toContain('the connection is back')
    expect(await message()).toBe('second')
    expect((await load.stop()).failures).toEqual([])
  }, 60_000)

  test('a killed runner leaves the server to finish, and post tells how it ended', async () => {
    const run = await deployUntil(first, step, (kill) => kill('SIGKILL'))
    expect(run.code).not.toBe(0)
    expect(run.outputs['status']).toBeUndefined()
    const post = await runAction({
      workspace: first.path,
      inputs: { ...server.inputs, ...prebuilt },
      step: 'post',
      state: run.state,
    })
    expect({ code: post.code, log: post.code === 0 ? '' : post.log }).toEqual({ code: 0, log: '' })
    expect(post.summary).toContain('was cut off')
    expect(post.summary).toContain(`${server.current()} is live`)
    expect(await message()).toBe('first')
    expect((await load.stop()).failures).toEqual([])
  }, 60_000)

  test('a killed activation is taken up again, and the run ends green', async () => {
    const run = await deployUntil(second, step, () => void process.kill(activationPid(), 'SIGKILL'))
    expect({ code: run.code, ...run.outputs, log: run.code === 0 ? '' : run.log }).toMatchObject({
      code: 0,
      status: 'live',
      log: '',
    })
    expect(await message()).toBe('second')
    expect((await load.stop()).failures).toEqual([])
  }, 60_000)
})

test('a runner, its session and the activation that die together leave it to the next run', async () => {
  const run = await deployUntil(first, 'reload', (kill) => {
    kill('SIGKILL')
    for (const pid of [...server.agentSessions(), activationPid()]) process.kill(pid, 'SIGKILL')
  })
  expect(run.code).not.toBe(0)
  const next = await runAction({ workspace: second.path, inputs: { ...server.inputs, ...prebuilt } })
  expect({ code: next.code, ...next.outputs, log: next.code === 0 ? '' : next.log }).toMatchObject({
    code: 0,
    status: 'live',
    log: '',
  })
  expect(next.summary).toMatch(
    /\| recover \| ✅ .*an earlier run was interrupted after the swap; it ended live/,
  )
  expect(await message()).toBe('second')
  expect((await load.stop()).failures).toEqual([])
}, 90_000)

test('nothing is left behind but what has just begun', async () => {
  await load.stop()
  await deployAgain(first, 'first')
  expect(leftovers().filter((name) => /^\d{14}$/.test(name))).toEqual([])
}, 60_000)
