import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { readWorkers } from '../../src/agent/pm2/workers.ts'
import { layoutOf } from '../../src/agent/store/layout.ts'
import { signal } from '../../src/agent/system/processes.ts'
import { until } from '../support/until.ts'
import {
  leftovers,
  letAMinutePass,
  lies,
  type Said,
  saidBy,
  type Site,
  startSite,
  versionOf,
} from './site.ts'

/**
 * Cancelled runs, runs that meet each other, a server that reboots, and hands that change what is on it: npm run
 * test:faults.
 */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip

let site: Site
beforeAll(async () => {
  if (thorough === describe) site = await startSite()
}, 300_000)
afterAll(() => site?.stop(), 60_000)
afterEach(async () => {
  letAMinutePass(site)
  const run = await site.run(other())
  expect({ log: run.code === 0 ? '' : run.log, status: run.outputs['status'] }).toEqual({
    log: '',
    status: 'live',
  })
  expect(await leftovers(site)).toEqual([])
}, 120_000)

const live = () => site.server.current()!
const other = () => {
  const current = site.server.current()
  return current !== null && versionOf(site, current) === 'first' ? 'second' : 'first'
}
const own = (name: string) => join(site.server.app, '.gapless', name)

/** As a runner cancels: SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL. */
async function cancel(kill: (signal: NodeJS.Signals) => void): Promise<void> {
  kill('SIGINT')
  await delay(7500)
  kill('SIGTERM')
  await delay(2500)
  kill('SIGKILL')
}

thorough('a run that is cancelled', () => {
  const incoming = () => readdirSync(own('incoming')).filter((name) => !name.includes('.removed'))
  const candidates = () =>
    readdirSync(own('workers')).filter((name) => {
      try {
        return readFileSync(join(own('workers'), name), 'utf8').includes('"candidate":true')
      } catch {
        // It was renamed or removed just then.
        return false
      }
    })
  test.each([
    ['builds', { 'build-command': 'touch building && sleep 30' }, () => existsSync(building())],
    ['uploads', {}, () => incoming().some((name) => /^\d{14}$/.test(name))],
    ['verifies', {}, () => candidates().length > 0],
  ])(
    'while it %s withdraws at once, and post says `kept`',
    async (_, inputs, reached) => {
      const before = live()
      const version = other()
      rmSync(building(), { force: true })
      const load = site.load()
      let kill: (signal: NodeJS.Signals) => void = () => undefined
      const running = site.run(version, { inputs, onStart: (how) => (kill = how) })
      await until('it is there', reached, 60_000)
      const cancelledAt = performance.now()
      const cancelling = cancel(kill)
      const run = await running
      expect(performance.now() - cancelledAt).toBeLessThan(7500)
      expect(run.code).not.toBe(0)
      const post = await site.post(version, run)
      await cancelling
      expect({ code: post.code, status: post.outputs['status'] }).toEqual({ code: 1, status: 'kept' })
      expect(await lies(site, saidBy(post), version, before)).toEqual([])
      expect((await load.stop()).failures).toEqual([])
    },
    90_000,
  )

  const building = () => join(site.workspaces[other()].path, 'building')
})

thorough('a PM2 daemon that lives and does not answer', () => {
  const stop = 'kill -STOP "$(cat "$HOME/.pm2/pm2.pid")"'
  test.each([
    ['before the swap', { 'pre-activate': stop }, 'kept'],
    ['after it', { 'post-activate': `${stop}; exit 1` }, 'down'],
  ])(
    '%s ends the run with a verdict, and holds no lock',
    async (_, inputs, status) => {
      try {
        const run = await site.run(other(), { inputs })
        expect({ code: run.code, status: run.outputs['status'] }).toEqual({ code: 1, status })
        expect(run.summary).toContain('did not answer')
      } finally {
        process.kill(site.daemon(), 'SIGCONT')
      }
    },
    300_000,
  )
})

thorough('two runs', () => {
  test('of which one is cancelled while it waits for the other', async () => {
    const [version, waiting] = [other(), versionOf(site, live())] as const
    let from = site.journal().length
    const holder = site.run(version)
    await site.begins('reload', from)
    from = site.journal().length
    let kill: (signal: NodeJS.Signals) => void = () => undefined
    const running = site.run(waiting, { onStart: (how) => (kill = how) })
    await site.begins('lock', from)
    kill('SIGINT')
    const post = await site.post(waiting, await running)
    expect({ code: post.code, status: post.outputs['status'] }).toEqual({ code: 1, status: 'kept' })
    expect(post.summary).toContain('withdrawn')
    expect(await lies(site, saidBy(await holder), version, '')).toEqual([])
  }, 90_000)

  test('at once both end right, and the later one wins', async () => {
    const load = site.load()
    const from = site.journal().length
    const [early, late] = [other(), versionOf(site, live())] as const
    const first = site.run(early)
    await site.begins('reload', from)
    const second = await site.run(late)
    expect({ ...saidBy(await first), log: '' }).toMatchObject({ code: 0, status: 'live' })
    expect(await lies(site, saidBy(second), late, '')).toEqual([])
    expect((await load.stop()).failures).toEqual([])
  }, 90_000)

  test('of which the older comes late leave the newer live', async () => {
    // All other runs are the 42nd.
    const numbered = (number: number) => ({ GITHUB_RUN_ID: String(number), GITHUB_EVENT_NAME: 'push' })
    const newer = await site.run(other(), { env: numbered(42) })
    expect(newer.outputs['status']).toBe('live')
    const before = live()
    const version = other()
    const older = await site.run(version, { env: numbered(41) })
    expect({ code: older.code, status: older.outputs['status'] }).toEqual({ code: 1, status: 'kept' })
    expect(older.summary).toContain('`overtaken`')
    expect(await lies(site, saidBy(older), version, before)).toEqual([])
  }, 90_000)
})

thorough('a server that reboots in the middle', () => {
  test.each(['swap', 'reload', 'health-check'] as const)(
    'at %s is put right by the next run',
    async (step) => {
      const from = site.journal().length
      let kill: (signal: NodeJS.Signals) => void = () => undefined
      const running = site.run(other(), { onStart: (how) => (kill = how) })
      await site.begins(step, from)
      // Whoever watches dies first: it would take up what dies after it. Workers outlive all others.
      const pids = [...site.server.agentSessions(), site.activation(), site.daemon()]
      kill('SIGKILL')
      for (const pid of pids) if (pid !== undefined) process.kill(pid, 'SIGKILL')
      await until('all workers ended', async () => {
        const workers = await readWorkers(layoutOf(site.server.app).workers)
        for (const { pid } of workers) signal(pid, 'SIGKILL')
        return workers.length === 0
      })
      await running
      await site.server.pm2('resurrect')

      const run = await site.run(other())
      expect({ log: run.code === 0 ? '' : run.log, status: run.outputs['status'] }).toEqual({
        log: '',
        status: 'live',
      })
      expect(run.summary).toMatch(/\| recover \| ✅/)
    },
    120_000,
  )
})

thorough('hands that change what is there', () => {
  const expectRight = async (said: Said, version: ReturnType<typeof other>) => {
    expect({ ...said, log: said.code === 0 ? '' : said.log }).toMatchObject({
      code: 0,
      status: 'live',
      log: '',
    })
    expect(await lies(site, said, version, '')).toEqual([])
  }

  test('a folder in the place of `current` is refused and left as it is', async () => {
    const current = join(site.server.app, 'current')
    const version = other()
    renameSync(current, `${current}.aside`)
    mkdirSync(current)
    writeFileSync(join(current, 'mine'), '')
    const run = await site.run(version)
    expect({ code: run.code, status: run.outputs['status'] }).toEqual({ code: 1, status: 'kept' })
    expect(run.summary).toContain('`current-not-a-link`')
    expect(readdirSync(current)).toEqual(['mine'])
    rmSync(current, { recursive: true })
    renameSync(`${current}.aside`, current)
  }, 60_000)

  test('a folder that comes into the place of `current` in the middle of a deploy is not overwritten', async () => {
    const current = join(site.server.app, 'current')
    const from = site.journal().length
    const running = site.run(other(), { inputs: { 'pre-activate': 'sleep 2' } })
    await site.begins('pre-activate', from)
    renameSync(current, `${current}.aside`)
    mkdirSync(current)
    const run = await running
    expect({ code: run.code, status: run.outputs['status'] }).toEqual({ code: 1, status: 'kept' })
    expect(run.summary).toContain('`current-not-a-link`')
    expect(statSync(current).isDirectory()).toBe(true)
    rmSync(current, { recursive: true })
    renameSync(`${current}.aside`, current)
  }, 60_000)

  test.each(['current', 'releases', '.gapless/journal.jsonl', '.gapless/lock', '.gapless/workers'])(
    '%s that is gone comes back with the next deploy',
    async (name) => {
      const version = other()
      rmSync(join(site.server.app, name), { recursive: true })
      await expectRight(saidBy(await site.run(version)), version)
    },
    90_000,
  )

  test('a journal that is emptied in the middle of a deploy changes nothing', async () => {
    const version = other()
    const load = site.load()
    const from = site.journal().length
    const running = site.run(version)
    await site.begins('reload', from)
    writeFileSync(own('journal.jsonl'), '')
    await expectRight(saidBy(await running), version)
    expect((await load.stop()).failures).toEqual([])
  }, 60_000)

  test('a journal that is removed in the middle of a deploy changes nothing', async () => {
    const version = other()
    const from = site.journal().length
    const running = site.run(version)
    await site.begins('reload', from)
    rmSync(own('journal.jsonl'))
    await expectRight(saidBy(await running), version)
  }, 60_000)
})
