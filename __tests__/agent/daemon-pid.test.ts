import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { daemonPid } from '../../src/agent/pm2.ts'
import { commandOf } from '../../src/agent/processes.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'

const folder = temporaryFolders()
const asRoot = process.getuid?.() === 0 ? test : test.skip
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

/** A PM2_HOME whose pid file names a process like this. */
async function home(program: string, args: readonly string[], name: string, uid?: number): Promise<string> {
  const child = spawn(program, args, { stdio: 'ignore', cwd: '/', ...(uid === undefined ? {} : { uid }) })
  started.push(child)
  await until('it has its name', () => commandOf(child.pid!).startsWith(name))
  const at = folder()
  writeFileSync(join(at, 'pm2.pid'), `${child.pid}\n`)
  return at
}

const sleep = (uid?: number) => home('/bin/sleep', ['1000'], '/bin/sleep', uid)
const daemon = (title: string, uid?: number) =>
  home(
    process.execPath,
    ['-e', `process.title = ${JSON.stringify(title)}; setInterval(() => {}, 1000)`],
    title,
    uid,
  )

test('a daemon is known by the name that it gives itself, or by its program', async () => {
  for (const title of ['PM2 v7.0.4: God Daemon (/home/deploy/.pm2)', 'a name of the user']) {
    const at = await daemon(title)
    expect(daemonPid(at)).toBe(started.at(-1)?.pid)
  }
})

test('a pid that another program has got since is no daemon', async () => {
  expect(daemonPid(await sleep())).toBeNull()
})

asRoot('nor is one that another user’s program has got', async () => {
  expect(daemonPid(await sleep(65_534))).toBeNull()
})

asRoot('a daemon of another user is named as such', async () => {
  const at = await daemon('PM2 v7.0.4: God Daemon (/x)', 65_534)
  expect(await failureOf(() => daemonPid(at))).toMatchObject({ code: 'pm2-foreign' })
})

test('without a pid file, or with one of a process that is gone, there is none', async () => {
  expect(daemonPid(folder())).toBeNull()
  const at = await sleep()
  const child = started.pop()!
  child.kill('SIGKILL')
  await until('it has ended', () => commandOf(child.pid!) === '')
  expect(daemonPid(at)).toBeNull()
})
