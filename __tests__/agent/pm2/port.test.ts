import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import {
  assertMayMove,
  assertMoveIsMeant,
  assertNoOtherDoor,
  assertPortIsOurs,
  type PortUsers,
} from '../../../src/agent/pm2/port.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import type { WorkerRecord } from '../../../src/worker/worker-record.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, runtimeWith, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

/** Another process that listens. */
async function listener(before = ''): Promise<{ pid: number; port: number }> {
  const code = `${before}const s = require('net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { pid: child.pid!, port: Number(line.toString()) }
}

const nobody: PortUsers = { processes: [], records: [], daemon: null, addresses: [] }
const listed = (pid: number, mode = 'cluster_mode', status = 'online') =>
  ({ pid, mode, status }) as Pm2Process
const record = (pid: number, doorPort: number, candidate = false) =>
  ({ pid, doorPort, candidate, orphaned: null }) as WorkerRecord
const check = (port: number, users: PortUsers) => assertPortIsOurs('127.0.0.1', port, users)

describe('the app’s port', () => {
  test('is free where nobody listens, or a process of the app does', async () => {
    const { pid, port } = await listener()
    await check(port, { ...nobody, processes: [listed(pid, 'fork_mode')] })
    started.pop()!.kill('SIGKILL')
  })

  test('is free where a child process of the app holds it', async () => {
    const code = `const s = require('net').createServer().listen(0, '127.0.0.1', () => console.log(s.address().port))`
    const parent = spawn('/bin/sh', ['-c', `'${process.execPath}' -e "$0"; exit $?`, code], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    try {
      const [line] = (await once(parent.stdout, 'data')) as [Buffer]
      const port = Number(line.toString())
      await check(port, { ...nobody, processes: [listed(parent.pid!, 'fork_mode')] })
      expect((await failureOf(check(port, nobody))).code).toBe('port-taken')
    } finally {
      process.kill(-parent.pid!, 'SIGKILL')
    }
  })

  test('is free where PM2’s daemon holds it for a worker whose record says so', async () => {
    const { pid: daemon, port } = await listener()
    await check(port, { ...nobody, processes: [listed(7)], records: [record(7, port)], daemon })
  })

  test('is ours where a worker that outlived PM2’s daemon holds it', async () => {
    const { pid, port } = await listener()
    const orphan = { ...record(pid, port), orphaned: { since: 1, beside: [] } }
    await check(port, { ...nobody, records: [orphan] })
    await check(port, { ...nobody, records: [orphan], daemon: 1 })
  })

  test('is free where PM2’s daemon holds it for an app of this name that somebody else started', async () => {
    const { pid: daemon, port } = await listener()
    await check(port, { ...nobody, processes: [listed(7)], daemon })
  })

  test.each<[string, (daemon: number, port: number) => PortUsers]>([
    ['a stranger', () => nobody],
    ['PM2’s daemon for another app', (daemon) => ({ ...nobody, daemon })],
    [
      'PM2’s daemon for another app, while ours has its workers on another port',
      (daemon, port) => ({ ...nobody, processes: [listed(7)], records: [record(7, port + 1)], daemon }),
    ],
    [
      'PM2’s daemon for another app, while the one of this name listens elsewhere',
      (daemon, port) => ({
        ...nobody,
        processes: [listed(7)],
        daemon,
        addresses: [{ host: '127.0.0.1', port: port + 1 }],
      }),
    ],
    [
      'PM2’s daemon, and only a candidate of ours knows the port',
      (daemon, port) => ({ ...nobody, records: [record(7, port, true)], daemon }),
    ],
    [
      'PM2’s daemon, and what ran under our name has stopped',
      (daemon) => ({ ...nobody, processes: [listed(7, 'cluster_mode', 'stopped')], daemon }),
    ],
  ])('is taken where %s holds it', async (_, users) => {
    const { pid, port } = await listener()
    const failure = await failureOf(check(port, users(pid, port)))
    expect(failure.code).toBe('port-taken')
    expect(failure.message).toMatch(
      new RegExp(`^Another process \\(${pid}, .*node\\) already listens on "127.0.0.1:${port}"`),
    )
  })

  test('is taken where the daemon of another PM2_HOME holds it, and the message names that daemon', async () => {
    const { pid, port } = await listener(`process.title = 'PM2 v7.0.4: God Daemon (/srv/other/.pm2)';`)
    const failure = await failureOf(check(port, nobody))
    expect(failure.message).toContain(`The PM2 daemon of "/srv/other/.pm2" (process ${pid})`)
  })

  test('cannot be opened on an address that the server does not have', async () => {
    const failure = await failureOf(assertPortIsOurs('192.0.2.1', 3000, nobody))
    expect(failure).toMatchObject({
      code: 'port-taken',
      message: '"192.0.2.1" is not an address of the server.',
    })
  })
})

describe('while the old workers serve, the new ones', () => {
  const at = (host: string, port = 3000) => ({ host, port })

  test.each([
    ['127.0.0.1', '0.0.0.0'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '127.0.0.1'],
  ])('cannot move from %s to %s on the same port', async (from, to) => {
    const failure = await failureOf(() => assertMayMove(at(from), at(to)))
    expect(failure).toMatchObject({ code: 'port-taken', remedy: expect.stringContaining('`app-port`') })
  })

  test.each([
    [at('127.0.0.1'), at('127.0.0.1')],
    [at('127.0.0.1'), at('0.0.0.0', 3001)],
    [at('127.0.0.1'), at('127.0.0.2')],
  ])('move from %j to %j', (from, to) => {
    expect(() => assertMayMove(from, to)).not.toThrow()
  })
})

describe('an app', () => {
  const at = (host: string, port: number) => ({ host, port })
  const nothing = { host: null, port: null }
  const here = at('127.0.0.1', 3000)

  test.each([
    ['from another port', at('127.0.0.1', 4000), here, nothing],
    ['from another port, where only the address is said', at('127.0.0.1', 4000), here, at('127.0.0.1', 4000)],
    ['from all addresses to one', at('::', 3000), here, nothing],
    ['from one address to another', at('10.0.0.5', 3000), here, nothing],
  ])('is not moved %s by a default', (_, from, to, said) => {
    expect(() => assertMoveIsMeant([from], to, said)).toThrow(
      expect.objectContaining({
        code: 'address-differs',
        message: expect.stringContaining('and the release would listen on "127.0.0.1:3000".'),
        remedy: expect.stringContaining(`\`app-port: ${from.port}\` and \`app-host: ${from.host}\``),
      }),
    )
  })

  test.each([
    ['where nobody knows its address', [], here, nothing],
    ['where it stays', [here, at('127.0.0.1', 9229)], here, nothing],
    ['from one address to all', [here], at('0.0.0.0', 3000), nothing],
    ['where the workflow says the port', [at('::', 4000)], here, { host: null, port: 3000 }],
    ['where the workflow says the address', [at('::', 3000)], here, { host: '127.0.0.1', port: null }],
  ])('goes live %s', (_, from, to, said) => {
    expect(() => assertMoveIsMeant(from, to, said)).not.toThrow()
  })
})

describe('the address of another app that Gapless deployed', () => {
  const id = '20260101000001'

  /** An app that takes traffic, as its worker and PM2 say. */
  function open(name: string, host: string, port: number, phase = 'open') {
    const layout = newLayout(join(folder(), name))
    const runtime = join(writeRelease(layout, id), '.gapless', 'runtime.json')
    writeFileSync(runtime, JSON.stringify(runtimeWith({ host, port })))
    const { pid } = process
    const worker = { pid, startTime: startTimeOf(pid), release: id, candidate: false, phase, port: 1 }
    writeFileSync(
      join(layout.workers, `${pid}.json`),
      JSON.stringify({ ...worker, doorPort: port, leavesAt: null, detail: '', excerpt: '' }),
    )
    const script = `${layout.current}/.gapless/launcher.cjs`
    return { layout, process: { name, script, pid, status: 'online' } as Pm2Process }
  }

  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['127.0.0.1', '::'],
  ])('on %s blocks %s', async (theirs, ours) => {
    const { layout, process } = open('shop', theirs, 3000)
    const failure = await failureOf(assertNoOtherDoor('/srv/web', { host: ours, port: 3000 }, [process]))
    expect(failure).toMatchObject({
      code: 'port-taken',
      message: `The app "shop" in "${layout.base}" already listens on "${theirs}:3000".`,
      remedy: expect.stringContaining('`app-name: shop`'),
    })
    await assertNoOtherDoor(layout.base, { host: ours, port: 3000 }, [process])
  })

  test.each<[string, string, number, string]>([
    ['on another address', '127.0.0.2', 3000, 'open'],
    ['on another port', '127.0.0.1', 3001, 'open'],
    ['that closes', '127.0.0.1', 3000, 'draining'],
  ])('%s is not in the way', async (_, host, port, phase) => {
    const { process } = open('shop', host, port, phase)
    await assertNoOtherDoor('/srv/web', { host: '127.0.0.1', port: 3000 }, [process])
  })
})
