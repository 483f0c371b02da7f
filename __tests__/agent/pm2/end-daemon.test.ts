import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { endDaemon } from '../../../src/agent/pm2/end-daemon.ts'
import { acceptedBy } from '../../../src/common/listening-sockets.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import { compile } from '../../support/compile.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

const folder = temporaryFolders()
const children: ChildProcess[] = []
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

function start(script: string): ChildProcess {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  return child
}

/** In place of PM2's daemon: it keeps each visitor for so long. */
async function daemonThatHolds(ms: number): Promise<{ pid: number; port: number }> {
  const child = start(`
    import net from 'node:net'
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined)
      setTimeout(() => socket.end('answer'), ${ms})
    })
    server.listen(0, '127.0.0.1', () => console.log(server.address().port))
  `)
  const [port] = (await once(child.stdout!, 'data')) as [Buffer]
  return { pid: child.pid!, port: Number(port) }
}

/** @returns the answer, or the code of the error */
function visit(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    let got = ''
    socket.on('data', (chunk) => (got += String(chunk)))
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? ''))
    socket.on('end', () => resolve(got))
  })
}

const stateOf = (pid: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)![0]

test('a visitor that the daemon has accepted is answered before the daemon ends', async () => {
  const { pid, port } = await daemonThatHolds(300)
  const visits = [visit(port), visit(port)]
  await until('both are inside', () => acceptedBy(pid).length === 2)
  await endDaemon(pid)
  expect(startTimeOf(pid)).toBeNull()
  expect(await Promise.all(visits)).toEqual(['answer', 'answer'])
})

test('a daemon that keeps its visitors is killed after a while', async () => {
  const { pid, port } = await daemonThatHolds(60_000)
  const visitor = visit(port)
  await until('it is inside', () => acceptedBy(pid).length === 1)
  await endDaemon(pid)
  expect(startTimeOf(pid)).toBeNull()
  expect(await visitor).not.toBe('answer')
})

test('a stopped daemon goes on when the process that stopped it is killed', async () => {
  const { pid, port } = await daemonThatHolds(60_000)
  void visit(port)
  await until('it is inside', () => acceptedBy(pid).length === 1)
  const compiled = compile(folder(), ['common', 'agent'])
  const file = JSON.stringify(join(compiled, 'agent/pm2/end-daemon.js'))
  const ending = start(`
    import { createRequire } from 'node:module'
    await createRequire(${file})(${file}).endDaemon(${pid})
  `)
  await until('both processes are stopped', async () => {
    ending.kill('SIGSTOP')
    await until('it stands still', () => stateOf(ending.pid!) === 'T')
    if (stateOf(pid) === 'T') return true
    ending.kill('SIGCONT')
    return false
  })
  ending.kill('SIGKILL')
  await once(ending, 'exit')
  await until('it goes on', () => stateOf(pid) !== 'T', 5000)
})
