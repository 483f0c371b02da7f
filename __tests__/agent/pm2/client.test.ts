import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterEach, expect, jest, test } from '@jest/globals'
import { connectPm2 } from '../../../src/agent/pm2/client.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
const home = process.env['PM2_HOME']
afterEach(() => {
  if (home === undefined) delete process.env['PM2_HOME']
  else process.env['PM2_HOME'] = home
})

/**
 * Moments of a daemon's death that a real one does not show on demand: what PM2's own client does then, played. This
 * one always connects, and reaches a daemon that lives (this process) from the nth time on.
 */
function pm2ThatLivesFrom(nth: number, list: readonly unknown[] = []) {
  const path = folder()
  const pm2Home = join(path, 'home')
  const socket = join(pm2Home, 'rpc.sock')
  writeFileSync(join(path, 'package.json'), '{ "main": "index.cjs" }')
  writeFileSync(
    join(path, 'index.cjs'),
    `let connected = 0
    module.exports = {
      connect(done) {
        connected += 1
        if (connected < ${nth}) return done(null)
        const server = require('node:net').createServer().unref()
        server.listen(${JSON.stringify(socket)}, () => done(null))
      },
      disconnect() {},
      // A dead daemon answers nothing.
      Client: { executeRemote: (method, parameters, done) => connected >= ${nth} && done(null, ${JSON.stringify(list)}) },
    }`,
  )
  return { installed: { path, version: '7.0.4' }, pm2Home }
}

test('a daemon that dies as it is connected to is not taken for one that answers', async () => {
  const { installed, pm2Home } = pm2ThatLivesFrom(2)
  const pm2 = await connectPm2(installed, pm2Home)
  expect(await pm2.list('app')).toEqual([])
  // The folder of PM2's sockets.
  expect(statSync(pm2Home).mode & 0o777).toBe(0o700)
  pm2.close()
})

test('that there is none, however often it is tried, is an error', async () => {
  const { installed, pm2Home } = pm2ThatLivesFrom(Infinity)
  expect((await failureOf(connectPm2(installed, pm2Home))).code).toBe('pm2-failed')
})

test('what is written for the next boot is what stays: not workers that are leaving', async () => {
  const named = (pm_id: number, status: string) => ({ pm_id, pm2_env: { name: 'app', pm_id, status } })
  const list = [named(0, 'online'), named(1, 'stopping'), named(2, 'stopped')]
  const { installed, pm2Home } = pm2ThatLivesFrom(1, list)
  const pm2 = await connectPm2(installed, pm2Home)
  await pm2.save()
  expect(JSON.parse(readFileSync(join(pm2Home, 'dump.pm2'), 'utf8'))).toEqual([
    { name: 'app', status: 'online' },
    { name: 'app', status: 'stopped' },
  ])
  pm2.close()
})

const options = {
  wait_ready: true,
  listen_timeout: 100_000,
  kill_timeout: 50_000,
  max_memory_restart: null,
  node_args: [],
  UV_THREADPOOL_SIZE: null,
} as const

test('a real daemon that lives and does not answer is an error, later than any answer takes', async () => {
  const home = join(folder(), '.pm2')
  const path = dirname(createRequire(import.meta.url).resolve('pm2/package.json'))
  const pm2 = await connectPm2({ path, version: '7.0.4' }, home)
  const daemon = Number(readFileSync(join(home, 'pm2.pid'), 'utf8'))
  try {
    expect(await pm2.list('app')).toEqual([])
    process.kill(daemon, 'SIGSTOP')
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'performance'] })
    const questions: readonly (readonly [number, () => Promise<unknown>])[] = [
      [30_000, () => pm2.list('app')],
      [30_000, () => pm2.isReplacing(0)],
      [30_000, () => pm2.save()],
      // One worker may take so long to be ready, and another then to leave.
      [100_000 + 50_000 + 30_000, () => pm2.reload(0, options)],
      // Of what was ever asked for, PM2 may have kept the longest.
      [180_000, () => pm2.restart(0, { ...options, listen_timeout: 1, kill_timeout: 1 })],
      [180_000, () => pm2.duplicate(0)],
      [180_000, () => pm2.remove(0)],
    ]
    for (const [patience, ask] of questions) {
      let settled = false
      const failure = failureOf(ask()).finally(() => (settled = true))
      await jest.advanceTimersByTimeAsync(patience - 1)
      expect(settled).toBe(false)
      await jest.advanceTimersByTimeAsync(1)
      expect(await failure).toMatchObject({
        code: 'pm2-failed',
        message: expect.stringContaining(`process ${daemon}`),
        remedy: expect.stringContaining('kill -9'),
      })
    }
    jest.useRealTimers()
    process.kill(daemon, 'SIGCONT')
    expect(await pm2.list('app')).toEqual([])
  } finally {
    jest.useRealTimers()
    pm2.close()
    process.kill(daemon, 'SIGKILL')
  }
})
