import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { cleanEnvironment } from '../../../src/agent/system/environment.ts'
import { connectPm2 } from '../../../src/agent/pm2/client.ts'
import { daemonPid, isDaemonFor } from '../../../src/agent/pm2/daemon.ts'
import { pids, signal } from '../../../src/agent/system/processes.ts'
import { compile } from '../../support/compile.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

/** `connectPm2` as agents run it: each in a process of its own, which stays connected until its input ends. */
const AGENT = `
  const { connectPm2 } = require(process.argv[2])
  const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n')
  const write = process.stderr.write.bind(process.stderr)
  console.log = (...all) => write(all.join(' ') + '\\n')
  connectPm2({ path: process.argv[3], version: '' }, process.argv[4]).then(async (pm2) => {
    say({ list: await pm2.list('app') })
    process.stdin.resume().on('end', () => process.exit())
  }, (error) => { say({ code: error.code, message: error.message }); process.exitCode = 1 })
`

const folder = temporaryFolders()
const installed = (name: string) => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
const homes: string[] = []
const others: ChildProcess[] = []
let compiled: string

beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(() => {
  for (const other of others.splice(0)) other.kill('SIGKILL')
  for (const home of homes.splice(0)) for (const pid of daemonsOf(home)) process.kill(pid, 'SIGKILL')
})

function newHome(): string {
  const home = join(folder(), '.pm2')
  homes.push(home)
  return home
}

/** Every daemon for this home, whether it can be reached or not. */
const daemonsOf = (home: string) => pids().filter((pid) => isDaemonFor(pid, home))

/** A daemon that somebody who knows nothing of Gapless starts, as `pm2 resurrect` does. */
function startOther(home: string): void {
  const env = { ...cleanEnvironment(), PM2_HOME: home }
  others.push(spawn(process.execPath, [join(installed('pm2'), 'bin/pm2'), 'ping'], { stdio: 'ignore', env }))
}

interface Agent {
  /** What it said once it was connected. */
  readonly said: Promise<unknown>
  /** What PM2 printed. */
  printed(): string
}

function startAgent(home: string, pm2 = 'pm2'): Agent {
  const args = ['-e', AGENT, '-', join(compiled, 'agent/pm2/client.js'), installed(pm2), home]
  const agent = spawn(process.execPath, args, { env: { ...cleanEnvironment(), PM2_HOME: home } })
  others.push(agent)
  let printed = ''
  agent.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const said = once(agent.stdout, 'data').then(([line]) => JSON.parse(String(line)) as unknown)
  return { said, printed: () => printed }
}

const connected = { list: [] }
const pidFile = (home: string) => Number(readFileSync(join(home, 'pm2.pid'), 'utf8'))
/** Waits for a daemon to be started, and stops it before it has a socket. */
async function stopNext(home: string, known: readonly number[] = []): Promise<number> {
  const pid = await until('a daemon starts', () => daemonsOf(home).find((found) => !known.includes(found)))
  process.kill(pid, 'SIGSTOP')
  return pid
}

test.each(['pm2', 'pm2-6', 'pm2-5'])(
  'agents that connect at the same time start one daemon (%s)',
  async (pm2) => {
    const home = newHome()
    const agents = [startAgent(home, pm2), startAgent(home, pm2), startAgent(home, pm2)]
    expect(await Promise.all(agents.map(({ said }) => said))).toEqual([connected, connected, connected])
    expect(daemonsOf(home)).toEqual([pidFile(home)])
  },
)

test('an agent waits for a daemon that somebody else is starting', async () => {
  const home = newHome()
  startOther(home)
  const other = await stopNext(home)
  const { said, printed } = startAgent(home)
  await until('the agent looks', () => existsSync(join(home, 'gapless-lock', '1.json')))
  process.kill(other, 'SIGCONT')
  expect(await said).toEqual(connected)
  expect(printed()).not.toContain('Spawning')
  expect(daemonsOf(home)).toEqual([other])
})

test('an agent ends its own daemon when another has the socket, and mends the pid file', async () => {
  const home = newHome()
  const { said } = startAgent(home)
  const own = await stopNext(home)
  startOther(home)
  await until('the other daemon has the socket', async () => (await daemonPid(home)) !== null)
  // The agent may have ended it by now.
  signal(own, 'SIGCONT')
  expect(await said).toEqual(connected)
  expect(daemonsOf(home)).toEqual([await daemonPid(home)])
  expect(daemonsOf(home)).toEqual([pidFile(home)])
})

test('an agent finds the daemon when the pid file names another process, and mends the file', async () => {
  const home = newHome()
  await startAgent(home).said
  const [daemon] = daemonsOf(home)
  writeFileSync(join(home, 'pm2.pid'), String(process.pid))
  expect(await startAgent(home).said).toEqual(connected)
  expect(daemonsOf(home)).toEqual([daemon])
  expect(pidFile(home)).toBe(daemon)
})

test('an agent that may not start a daemon starts none', async () => {
  const home = newHome()
  const pm2 = { path: installed('pm2'), version: '' }
  expect(await failureOf(connectPm2(pm2, home, { mayStart: false }))).toMatchObject({ code: 'pm2-failed' })
  expect(daemonsOf(home)).toEqual([])
})
