/** What the simulation claims about PM2 holds for the real ones: with GAPLESS_TEST_ALL=1. */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { connectPm2, type Pm2 } from '../../src/agent/pm2/client.ts'
import { daemonPid } from '../../src/agent/pm2/daemon.ts'
import { startTimeOf } from '../../src/common/process-identity.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { type Behaviour, claims, ONLY_IN_7, options, type Pm2OnTrial, prompt } from './contract.ts'

const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip
const { resolve } = createRequire(import.meta.url)
const folder = temporaryFolders()
const home = process.env['PM2_HOME']
let end: () => Promise<void> = async () => undefined
afterEach(async () => {
  await end()
  // PM2 reads its home when it is loaded.
  jest.resetModules()
  if (home === undefined) delete process.env['PM2_HOME']
  else process.env['PM2_HOME'] = home
})

/** A worker that does what the file beside it says when it starts. */
const WORKER = `
const { readyAfter, exitsAfter, drainMs } = JSON.parse(require('node:fs').readFileSync(__dirname + '/behaviour.json'))
process.on('SIGINT', () => setTimeout(() => process.exit(0), drainMs))
process.on('disconnect', () => process.exit(0))
setInterval(() => undefined, 1000)
if (readyAfter !== null) setTimeout(() => process.send('ready'), readyAfter)
if (exitsAfter !== null) setTimeout(() => process.exit(1), exitsAfter)
`

async function realPm2(name: string): Promise<Pm2OnTrial> {
  const path = dirname(resolve(`${name}/package.json`))
  const directory = folder()
  const pm2Home = join(directory, 'pm2')
  const script = join(directory, 'worker.cjs')
  writeFileSync(script, WORKER)
  const behave = (behaviour: Behaviour) =>
    writeFileSync(join(directory, 'behaviour.json'), JSON.stringify(behaviour))
  behave(prompt)
  const { version } = createRequire(import.meta.url)(join(path, 'package.json')) as { version: string }
  const pm2: Pm2 = await connectPm2({ path, version }, pm2Home)
  end = async () => {
    const daemon = await daemonPid(pm2Home)
    const pids = (await pm2.list('app')).map(({ pid }) => pid)
    pm2.close()
    for (const pid of [...pids, daemon ?? 0]) if (pid > 0) process.kill(pid, 'SIGKILL')
    await until('they are gone', () =>
      [...pids, daemon ?? 0].every((pid) => pid === 0 || startTimeOf(pid) === null),
    )
  }
  return {
    behave,
    start: () => pm2.start({ name: 'app', script, cwd: directory, options }),
    reload: (id) => pm2.reload(id, options),
    restart: (id) => pm2.restart(id, options),
    stop: (id) => pm2.stop(id),
    remove: (id) => pm2.remove(id),
    duplicate: (id) => pm2.duplicate(id),
    list: () => pm2.list('app'),
    isReplacing: (id) => pm2.isReplacing(id),
    lives: (pid) => startTimeOf(pid) !== null,
    until: async (what, condition) => void (await until(what, condition, 30_000)),
    sleep: (ms) => delay(ms),
  }
}

thorough.each(['pm2', 'pm2-6', 'pm2-5'])('%s', (name) => {
  test.each(claims)(
    '%s',
    async (claimed, holds) => {
      const held = holds(await realPm2(name))
      if (name !== 'pm2' && claimed === ONLY_IN_7) await expect(held).rejects.toThrow('another one boots')
      else await held
      expect(name).toMatch(/^pm2/)
    },
    60_000,
  )
})
