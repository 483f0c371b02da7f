/** Whole activations on a simulated server with a virtual clock. */
import { describe, expect, test } from '@jest/globals'
import type { FakeServer } from '../../simulation/fake-server.ts'
import { good } from '../../simulation/fake-worker.ts'
import {
  begin,
  first,
  id,
  LONG,
  newForeignSite,
  newSite,
  other,
  previous,
  rest,
  run,
  target,
} from '../../simulation/site.ts'
import { trafficOf } from './traffic-of.ts'

const entries = (server: FakeServer) =>
  server.journal
    .map(({ step, state }) => `${step ?? ''} ${state}`.trim())
    .filter((line) => !line.endsWith('note'))
const count = (server: FakeServer, line: string) => entries(server).filter((entry) => entry === line).length
const alive = (server: FakeServer) => server.workers.filter((worker) => worker.alive)

/** Runs a process until it writes this line, and kills it before it can write the next one. */
async function dieAfter(
  server: FakeServer,
  line: string,
  ...[changes, options]: [object?, object?]
): Promise<void> {
  const process = begin(server, changes, { ...options, diesAfterLine: line })
  expect(await server.clock.runUntil(() => !process.alive(), LONG)).toBe(true)
}

/** The server before the first deploy. */
async function removeAll(server: FakeServer): Promise<void> {
  for (const { id } of server.pm2.list()) server.pm2.remove(id, () => undefined)
  await rest(server)
  for (const release of [first, previous]) server.releases.delete(release)
  server.current = null
}

describe('a good release', () => {
  test('goes live, step by step', async () => {
    const server = await newSite()
    const verdict = await run(server, { preActivate: 'migrate', postActivate: 'warm' })
    expect(verdict).toMatchObject({ status: 'live', live: target, previous, rollsBackTo: previous })
    expect(entries(server)).toEqual([
      'lock begin',
      'lock done',
      'pre-activate begin',
      'pre-activate done',
      'swap begin',
      'swap done',
      'reload begin',
      'reload done',
      'health-check begin',
      'post-activate begin',
      'post-activate done',
      'health-check done',
      'verdict',
    ])
    await rest(server)
    expect([[...server.open()], alive(server).length, server.notice, server.lock]).toEqual([
      [target],
      2,
      null,
      null,
    ])
  })

  test('is reloaded worker by worker where memory is short', async () => {
    const server = await newSite()
    server.freeMemory = 1
    expect(await run(server)).toMatchObject({ status: 'live' })
    expect(server.journal.find(({ step }) => step === 'reload')?.detail).toContain('one after the other')
    expect(Math.max(...server.crowd)).toBe(3)
  })

  test('of more workers adds them, of fewer removes them', async () => {
    const server = await newSite()
    server.runtimes.set(target, { instances: 3 })
    server.runtimes.set(other, { instances: 1 })
    expect(await run(server)).toMatchObject({ status: 'live' })
    await rest(server)
    expect(alive(server)).toHaveLength(3)
    expect(await run(server, { release: other, activation: id(2) })).toMatchObject({ status: 'live' })
    await rest(server)
    expect([alive(server).length, [...server.open()]]).toEqual([1, [other]])
  })
})

describe('a release that fails', () => {
  test.each([
    ['that dies as it boots', { diesAtBoot: true }, {}, 'worker-died'],
    ['that hangs as it boots', { hangsAtBoot: true }, {}, 'worker-unhealthy'],
    ['that boots too late', { bootMs: 8000 }, {}, 'worker-unhealthy'],
    ['that dies after its door opened', { diesAfter: 200 }, {}, 'worker-died'],
    ['that hangs after its door opened', { hangsAfter: 200 }, {}, 'worker-unhealthy'],
    ['that becomes unhealthy', { sickAfter: 200 }, {}, 'worker-unhealthy'],
    ['whose post-activate fails', {}, { postActivate: 'fail' }, 'hook-failed'],
  ])('%s is taken back, and somebody serves all the while', async (_, fate, changes, code) => {
    const server = await newSite(() => ({ ...good, ...fate }))
    const process = begin(server, changes, { hook: () => ({ ms: 100, fails: true }) })
    let gaps = 0
    const isGap = () => server.serving().size === 0 && (gaps += 1)
    await server.clock.runUntil(() => process.end() !== null, LONG, isGap)
    expect(process.end()).toMatchObject({ status: 'restored', live: previous, previous, failure: { code } })
    await rest(server)
    expect([server.current, [...server.open()], alive(server).length, gaps]).toEqual([
      previous,
      [previous],
      2,
      0,
    ])
  })

  test('whose pre-activate fails is kept away', async () => {
    const server = await newSite()
    const hook = () => ({ ms: 100, fails: true })
    expect(await run(server, { preActivate: 'fail' }, { hook })).toMatchObject({
      status: 'kept',
      live: previous,
    })
    expect([server.current, alive(server).length, count(server, 'swap begin')]).toEqual([previous, 2, 0])
  })

  test('with nothing to go back to leaves the app stopped', async () => {
    const server = await newSite(() => ({ ...good, diesAtBoot: true }))
    await removeAll(server)
    expect(await run(server)).toMatchObject({ status: 'down', live: null, previous: null })
    await rest(server)
    expect([server.current, alive(server).length]).toEqual([null, 0])
  })

  test('with nothing to go back to starts the app again that it replaced', async () => {
    const server = await newForeignSite(() => ({ ...good, diesAtBoot: true }))
    expect([...server.open()]).toEqual(['foreign'])
    expect(await run(server)).toMatchObject({ status: 'down', live: null, previous: null })
    await rest(server)
    expect(server.pm2.list()).toMatchObject([{ script: '/srv/old.js', status: 'online' }])
  })

  test('starts the app again that it replaced, also when its process died just before the verdict', async () => {
    const calls: string[] = []
    await run(await newForeignSite(), {}, { onCall: (name) => calls.push(name) })
    const server = await newForeignSite((index) => ({ ...good, diesAtBoot: index >= 2 }))
    const diesAt = { call: calls.indexOf('journal verdict verdict') + 1, after: false }
    const process = begin(server, {}, { diesAt })
    expect(await server.clock.runUntil(() => !process.alive(), LONG)).toBe(true)
    // PM2 has lost its workers meanwhile.
    for (const worker of alive(server)) worker.signal('SIGKILL')
    expect(await run(server)).toMatchObject({ status: 'down', live: null })
    await rest(server)
    expect([[...server.open()], server.current, server.replaced]).toEqual([['foreign'], null, null])
  })
})

describe('an activation that is resumed', () => {
  const twice = { postActivate: 'warm' }

  test.each([
    'swap begin',
    'swap done',
    'reload begin',
    'reload done',
    'health-check begin',
    'health-check done',
  ])('after "%s" reports the release that it replaced', async (line) => {
    const server = await newSite()
    await dieAfter(server, line)
    expect(await run(server)).toMatchObject({ status: 'live', live: target, previous })
  })

  test('restores the release that it replaced, not its own target', async () => {
    const server = await newSite()
    // An earlier release, which was shown to serve once.
    server.releases.set(first, { verified: 1, fate: () => ({ ...good, diesAtBoot: true }) })
    const back = { release: first, kind: 'rollback', replaces: previous } as const
    await dieAfter(server, 'swap done', back)
    expect(await run(server, back)).toMatchObject({ status: 'restored', live: previous, previous })
    expect(server.current).toBe(previous)
  })

  test('while it restored never goes forward again, and runs no hook twice', async () => {
    const server = await newSite()
    const hook = () => ({ ms: 100, fails: true })
    await dieAfter(server, 'rollback begin', twice, { hook })
    const verdict = await run(server, twice, { hook })
    expect(verdict).toMatchObject({ status: 'restored', live: previous, failure: { code: 'hook-failed' } })
    expect(
      ['swap begin', 'post-activate begin', 'rollback begin'].map((line) => count(server, line)),
    ).toEqual([1, 1, 2])
  })

  test('runs no hook again that was done', async () => {
    const server = await newSite()
    await dieAfter(server, 'post-activate done', { ...twice, preActivate: 'migrate' })
    expect(await run(server, { ...twice, preActivate: 'migrate' })).toMatchObject({ status: 'live' })
    expect(['pre-activate begin', 'post-activate begin'].map((line) => count(server, line))).toEqual([1, 1])
  })

  test('by another one that has the lock is finished first', async () => {
    const server = await newSite(() => ({ ...good, diesAtBoot: true }))
    await dieAfter(server, 'reload begin')
    const rival = begin(server, { release: other, activation: id(2) })
    await server.clock.runUntil(() => rival.end() !== null, LONG)
    expect(rival.end()).toMatchObject({ status: 'live', live: other, previous })
    expect(server.journal.flatMap(({ verdict }) => verdict?.status ?? [])).toEqual(['restored', 'live'])
  })

  test('after another one has gone live touches nothing', async () => {
    const server = await newSite()
    await dieAfter(server, 'swap begin')
    server.jobs.clear()
    expect(await run(server, { release: other, activation: id(2) })).toMatchObject({ status: 'live' })
    expect(await run(server)).toMatchObject({
      status: 'restored',
      live: other,
      failure: { code: 'overtaken' },
    })
    expect([server.current, count(server, 'swap begin')]).toEqual([other, 2])
  })

  test('does not settle on a guess while PM2 is out of reach', async () => {
    const server = await newSite()
    await dieAfter(server, 'reload begin')
    server.pm2.silentUntil = server.clock.now + 40_000
    await expect(run(server)).rejects.toThrow('does not answer')
    expect(server.journal.some(({ verdict }) => verdict !== null)).toBe(false)
    expect(await run(server)).toMatchObject({ status: 'live', previous })
  })

  test('whose journal somebody has emptied finishes all the same', async () => {
    const server = await newSite(() => ({ ...good, diesAtBoot: true }))
    await dieAfter(server, 'reload begin')
    server.journal = []
    expect(await run(server)).toMatchObject({ status: 'restored', live: previous })
    expect(server.current).toBe(previous)
  })
})

describe('an activation that was decided on while another release was current', () => {
  test('touches nothing when it is a restore, and reports the release that serves', async () => {
    const server = await newSite()
    const verdict = await run(server, { release: first, kind: 'restore', replaces: other })
    const message = `${previous} replaced "${other}" before the restore began.`
    expect(verdict).toMatchObject({
      status: 'restored',
      live: previous,
      failure: { code: 'overtaken', message },
    })
    expect(server.current).toBe(previous)
  })

  test('is kept when it is a rollback', async () => {
    const server = await newSite()
    const verdict = await run(server, { release: first, kind: 'rollback', replaces: other })
    expect(verdict).toMatchObject({ status: 'kept', live: previous, failure: { code: 'overtaken' } })
  })
})

describe('a daemon that dies', () => {
  test.each([
    ['a good release goes live', good, 'live'],
    ['a release that dies at boot is taken back', { ...good, diesAtBoot: true }, 'restored'],
    ['a release that dies soon is taken back', { ...good, diesAfter: 200 }, 'restored'],
  ])('before the run: %s, and somebody serves all the time', async (_, fate, status) => {
    const server = await newSite(() => fate)
    const orphans = [...server.workers]
    server.killDaemon()
    const process = begin(server)
    let gaps = 0
    await server.clock.runUntil(
      () => process.end() !== null,
      LONG,
      () => {
        if (server.serving().size === 0) gaps += 1
      },
    )
    expect(process.end()).toMatchObject({ status })
    expect(gaps).toBe(0)
    expect(server.journal.map(({ detail }) => detail)).toContainEqual(
      expect.stringContaining("PM2's daemon had died: 2 workers kept serving without it"),
    )
    await rest(server)
    expect(orphans.filter(({ alive }) => alive)).toEqual([])
    expect(new Set(server.workers.filter(({ serves }) => serves).map(({ pid }) => pid))).toEqual(
      new Set(server.pm2.list().map(({ pid }) => pid)),
    )
  })

  test('while the release comes up: the previous one is started under the next', async () => {
    const server = await newSite()
    const process = begin(server)
    server.clock.after(400, () => server.killDaemon())
    await server.clock.runUntil(() => process.end() !== null, LONG)
    expect(process.end()).toMatchObject({ status: 'restored', live: previous })
  })

  test('while it restores: it does so once more under the next', async () => {
    const server = await newSite(() => ({ ...good, diesAtBoot: true }))
    const process = begin(server)
    await server.clock.runUntil(() => entries(server).includes('rollback begin'), LONG)
    server.clock.after(200, () => server.killDaemon())
    await server.clock.runUntil(() => process.end() !== null, LONG)
    expect(process.end()).toMatchObject({ status: 'restored', live: previous })
  })
})

test('restores the previous release when PM2 does not answer for a while', async () => {
  const server = await newSite((index) => ({ ...good, hangsAfter: index === 0 ? 100 : null }))
  const process = begin(server)
  await server.clock.runUntil(() => entries(server).includes('rollback begin'), LONG)
  server.pm2.silentUntil = server.clock.now + 38_000
  await server.clock.runUntil(() => process.end() !== null, LONG)
  expect(process.end()).toMatchObject({ status: 'restored', live: previous })
})

test('a full disk uses the reserve up, and changes nothing about how it ends', async () => {
  const server = await newSite(() => ({ ...good, diesAtBoot: true }))
  const process = begin(server)
  await server.clock.runUntil(() => entries(server).includes('swap done'), LONG)
  server.diskFull = true
  await server.clock.runUntil(() => process.end() !== null, LONG)
  expect(process.end()).toMatchObject({ status: 'restored', live: previous })
  expect(server.reserves.size).toBe(0)
})

test('a disk without room for the reserve keeps the release away', async () => {
  const server = await newSite()
  server.diskFull = true
  const process = begin(server)
  await server.clock.runUntil(() => !process.alive(), LONG)
  expect(server.current).toBe(previous)
})

describe('a release on probation', () => {
  test('goes live for all others at once, and gets its verdict when the time is over', async () => {
    const server = await newSite()
    const process = begin(server, { watchMs: 30_000 })
    await server.clock.runUntil(() => count(server, 'watch begin') === 1, LONG)
    await server.clock.runUntil(() => server.lock === null, 1000)
    expect(process.end()).toBeNull()
    await server.clock.runUntil(() => process.end() !== null, LONG)
    expect(process.end()).toMatchObject({ status: 'live', live: target, watch: { open: false } })
    expect(entries(server).slice(-3)).toEqual(['watch begin', 'watch done', 'verdict'])
  })

  test('is taken back when a worker dies, and nobody notices', async () => {
    const server = await newSite((index) => (index === 0 ? { ...good, diesAfter: 10_000 } : good))
    const process = begin(server, { watchMs: 30_000 })
    let gaps = 0
    const isGap = () => server.serving().size === 0 && (gaps += 1)
    await server.clock.runUntil(() => process.end() !== null, LONG, isGap)
    expect(process.end()).toMatchObject({
      status: 'restored',
      live: previous,
      failure: { code: 'worker-died' },
    })
    await rest(server)
    expect([server.current, [...server.open()], gaps, server.lock]).toEqual([previous, [previous], 0, null])
  })

  test('is taken back once, where two processes of its activation watch it', async () => {
    const server = await newSite((index) => (index === 0 ? { ...good, diesAfter: 10_000 } : good))
    const watching = begin(server, { watchMs: 30_000 })
    await server.clock.runUntil(() => count(server, 'reload begin') === 1, LONG)
    const twin = begin(server, { watchMs: 30_000 })
    await server.clock.runUntil(() => watching.end() !== null && twin.end() !== null, LONG)
    expect(server.journal.flatMap(({ verdict }) => verdict?.status ?? [])).toEqual(['restored'])
    expect(['watch begin', 'rollback begin'].map((line) => count(server, line))).toEqual([2, 1])
    expect(twin.end()).toEqual(watching.end())
  })

  test('stays when another activation begins, which replaces it', async () => {
    const server = await newSite()
    const process = begin(server, { watchMs: 300_000 })
    await server.clock.runUntil(() => count(server, 'watch begin') === 1, LONG)
    expect(await run(server, { release: other, activation: id(2) })).toMatchObject({
      status: 'live',
      previous: target,
    })
    await server.clock.runUntil(() => process.end() !== null, LONG)
    expect(process.end()).toMatchObject({ status: 'live', live: target })
    await rest(server)
    expect([server.current, [...server.open()]]).toEqual([other, [other]])
  })

  test('has one verdict when two processes of its activation see another activation begin', async () => {
    const server = await newSite()
    const slow = { latency: () => 500 }
    const processes = [begin(server, { watchMs: 60_000 }, slow)]
    await server.clock.runUntil(() => count(server, 'watch begin') === 1, LONG)
    processes.push(begin(server, { watchMs: 60_000 }, slow))
    await server.clock.runUntil(() => count(server, 'watch begin') === 2, LONG)
    await run(server, { release: other, activation: id(2) })
    await server.clock.runUntil(() => processes.every(({ end }) => end() !== null), LONG)
    expect(server.journal.filter(({ verdict }) => verdict?.live === target)).toHaveLength(1)
    expect(processes[1]!.end()).toEqual(processes[0]!.end())
  })

  test('stays on probation when the activation is resumed', async () => {
    const server = await newSite((index) => (index === 0 ? { ...good, diesAfter: 10_000 } : good))
    await dieAfter(server, 'watch begin', { watchMs: 30_000 })
    expect(await run(server, { watchMs: 30_000 })).toMatchObject({ status: 'restored', live: previous })
    expect(count(server, 'swap begin')).toBe(1)
  })

  test.each([
    ['is taken back when more of its answers fail than of those before', 0, 'restored'],
    ['stays when as many failed before, with a warning', 50, 'live'],
  ])('%s', async (_, failedBefore, status) => {
    const server = await newSite()
    const records = server.records.bind(server)
    server.records = () =>
      records().map((record) => ({
        ...record,
        traffic: trafficOf(record.release === target ? 50 : failedBefore),
      }))
    const verdict = await run(server, { watchMs: 30_000 })
    expect(verdict).toMatchObject({ status, live: status === 'live' ? target : previous })
    if (status === 'live') expect(verdict.watch?.warnings.join()).toContain('25.0% failed')
    else {
      expect(verdict.failure?.code).toBe('traffic-worse')
      expect(verdict.failure?.evidence).toContain('100 × /cart')
    }
    await rest(server)
    expect([...server.open()]).toEqual([verdict.live])
  })
})
