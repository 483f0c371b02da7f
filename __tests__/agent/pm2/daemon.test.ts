import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import { daemonPid, namedIn } from '../../../src/agent/pm2/daemon.ts'
import { commandOf } from '../../../src/agent/system/processes.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

const folder = temporaryFolders()
const asRoot = process.getuid?.() === 0 ? test : test.skip
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

async function run(program: string, args: readonly string[], name: string, uid?: number): Promise<number> {
  const child = spawn(program, args, { stdio: 'ignore', cwd: '/', ...(uid === undefined ? {} : { uid }) })
  started.push(child)
  await until('it has its name', () => commandOf(child.pid!).startsWith(name))
  return child.pid!
}

const sleep = (uid?: number) => run('/bin/sleep', ['1000'], '/bin/sleep', uid)
/** A process that listens on the socket, in place of the file that is there, and has its title then. */
const daemon = (home: string, title = 'PM2 v7.0.4: God Daemon', uid?: number) =>
  run(
    process.execPath,
    [
      '-e',
      `const path = ${JSON.stringify(join(home, 'rpc.sock'))}
      require('node:fs').rmSync(path, { force: true })
      require('node:net').createServer().listen(path, () => (process.title = ${JSON.stringify(title)}))`,
    ],
    title,
    uid,
  )
const name = (home: string, pid: number) => writeFileSync(join(home, 'pm2.pid'), `${pid}\n`)

describe('the daemon is the process that has the socket', () => {
  test('whatever the pid file names', async () => {
    const home = folder()
    const pid = await daemon(home, 'a title of the user')
    expect(await daemonPid(home)).toBe(pid)
    name(home, await sleep())
    expect(await daemonPid(home)).toBe(pid)
    name(home, process.pid)
    expect(await daemonPid(home)).toBe(pid)
  })

  test('when the home is reached through a link', async () => {
    const home = folder()
    const link = join(folder(), 'link')
    symlinkSync(home, link)
    const pid = await daemon(home)
    expect(await daemonPid(link)).toBe(pid)
  })

  test('that was made last, when another process listens on one that was replaced', async () => {
    const home = folder()
    await daemon(home)
    for (let replaced = 0; replaced < 3; replaced += 1) {
      const pid = await daemon(home)
      expect(await daemonPid(home)).toBe(pid)
    }
  })

  test('and there is none when nobody listens, even if the pid file names a process that lives', async () => {
    const home = folder()
    name(home, process.pid)
    expect(await daemonPid(home)).toBeNull()
    await daemon(home)
    started.pop()!.kill('SIGKILL')
    await until('there is none', async () => (await daemonPid(home)) === null)
  })

  asRoot('and is refused when it belongs to another user', async () => {
    const home = folder()
    chmodSync(home, 0o777)
    await daemon(home, 'PM2 v7.0.4: God Daemon', 65_534)
    expect(await failureOf(daemonPid(home))).toMatchObject({ code: 'pm2-foreign' })
  })
})

describe('the pid file names', () => {
  const named = (pid: number) => {
    const home = folder()
    name(home, pid)
    return namedIn(home)
  }

  test('a daemon, by its title or its program', async () => {
    const pid = await daemon(folder(), 'a title of the user')
    expect(named(pid)).toBe(pid)
  })

  test('no daemon, when another program has got the pid', async () => {
    expect(named(await sleep())).toBeNull()
  })

  asRoot('no daemon, when a program of another user has got the pid', async () => {
    expect(named(await sleep(65_534))).toBeNull()
  })

  test('no daemon, when the process has ended or the file is missing', async () => {
    const pid = await sleep()
    started.pop()!.kill('SIGKILL')
    await until('it has ended', () => commandOf(pid) === '')
    expect(named(pid)).toBeNull()
    expect(namedIn(folder())).toBeNull()
  })
})
