import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { connectPm2 } from '../../src/agent/pm2.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'

/** Moments of a daemon's death that a real one does not show on demand: what PM2's own client does then, played. */

const folder = temporaryFolders()
const home = process.env['PM2_HOME']
afterEach(() => {
  if (home === undefined) delete process.env['PM2_HOME']
  else process.env['PM2_HOME'] = home
})

/** A PM2 whose client always connects, and reaches a daemon that lives (this process) from the nth time on. */
function pm2ThatLivesFrom(nth: number) {
  const path = folder()
  const pm2Home = join(path, 'home')
  const pidFile = join(pm2Home, 'pm2.pid')
  writeFileSync(join(path, 'package.json'), '{ "main": "index.cjs" }')
  writeFileSync(
    join(path, 'index.cjs'),
    `let connected = 0
    module.exports = {
      connect(done) {
        connected += 1
        if (connected >= ${nth}) require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, '${process.pid}')
        done(null)
      },
      disconnect() {},
      // A dead daemon answers nothing.
      Client: { executeRemote: (method, parameters, done) => connected >= ${nth} && done(null, []) },
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
