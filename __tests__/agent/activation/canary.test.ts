/** Canaries on a simulated server with a virtual clock. */
import { describe, expect, test } from '@jest/globals'
import { canaryIn, isAwaited, stateOf } from '../../../src/agent/activation/state.ts'
import { type ActivationRequest, type JournalEntry, keptVerdict } from '../../../src/protocol/messages.ts'
import type { FakeServer } from '../../simulation/fake-server.ts'
import { type Fate, good } from '../../simulation/fake-worker.ts'
import { begin, first, id, LONG, newSite, other, previous, rest, run, target } from '../../simulation/site.ts'
import { trafficOf } from './traffic-of.ts'

const canaryMs = 60_000

const releases = (server: FakeServer) =>
  server.workers.filter(({ serves }) => serves).map(({ release }) => release)
const lines = (server: FakeServer, activation = id(1)) =>
  server.journal.flatMap(({ activation: of, step, state }) =>
    of === activation && step !== null ? [`${step} ${state}`] : [],
  )
const hasCanary = (server: FakeServer) => server.journal.some(({ canary }) => canary !== null)

/** Runs until the canary serves, and until the worker has left that it replaces. */
async function withCanary(server: FakeServer, changes: Partial<ActivationRequest> = {}) {
  const process = begin(server, { canaryMs, ...changes })
  await server.clock.runUntil(() => hasCanary(server), LONG)
  await server.clock.runUntil(() => false, 5000)
  return process
}

async function toEnd(server: FakeServer, process: ReturnType<typeof begin>) {
  let gaps = 0
  await server.clock.runUntil(
    () => process.end() !== null,
    LONG,
    () => {
      if (server.serving().size === 0) gaps += 1
    },
  )
  const end = process.end()
  await rest(server)
  return { end, gaps, current: server.current, releases: releases(server), lock: server.lock }
}

const restored = { gaps: 0, current: previous, lock: null }

describe.each([1, 2, 3])('of %d workers', (instances) => {
  const olds = Array.from({ length: instances }, () => previous)

  test('one serves the release until the time is over, and then all do', async () => {
    const server = await newSite(() => good, { instances })
    const process = await withCanary(server)
    const few = instances === 1 ? olds : olds.slice(1)
    expect([server.current, releases(server).sort()]).toEqual([previous, [...few, target]])
    const kept = server.workers.find(({ serves, release }) => serves && release === target)
    const { end, ...after } = await toEnd(server, process)
    expect(end).toMatchObject({ status: 'live', live: target, previous })
    expect(after).toEqual({ gaps: 0, current: target, releases: olds.map(() => target), lock: null })
    // The canary itself stays, where its place is one of those that remain.
    expect(kept?.alive).toBe(instances > 1)
  })

  test.each<[string, Partial<Fate>, string]>([
    ['that exits', { diesAfter: 10_000 }, 'worker-died'],
    ['that dies as it boots', { diesAtBoot: true }, 'worker-died'],
    ['that becomes unhealthy before it counts', { sickAfter: 100 }, 'worker-unhealthy'],
  ])('one %s is taken back, and no other worker ever served the release', async (_, fate, code) => {
    const server = await newSite(() => ({ ...good, ...fate }), { instances })
    const open = new Set<number>()
    const process = begin(server, { canaryMs })
    await server.clock.runUntil(
      () => process.end() !== null,
      LONG,
      () => {
        for (const { release, phase, pid } of server.workers)
          if (release === target && phase === 'open') open.add(pid)
      },
    )
    const { end, ...after } = await toEnd(server, process)
    expect(end).toMatchObject({ status: 'restored', live: previous, failure: { code } })
    expect(after).toEqual({ ...restored, releases: olds })
    expect(open.size).toBeLessThanOrEqual(1)
  })

  test('one whose answers fail is taken back, compared with the others at the same time', async () => {
    const server = await newSite(() => good, { instances })
    const records = server.records.bind(server)
    // The old workers have had a bad day before.
    const bad = { ...trafficOf(150), answers: [0, 50, 0, 0, 150] }
    server.records = () =>
      records().map((record) => {
        if (record.release === target) return { ...record, traffic: trafficOf(50) }
        return { ...record, traffic: hasCanary(server) ? { ...bad, answers: [0, 250, 0, 0, 150] } : bad }
      })
    const { end, ...after } = await toEnd(server, begin(server, { canaryMs }))
    expect(end).toMatchObject({ status: 'restored', failure: { code: 'traffic-worse' } })
    const evidence = (end as { failure: { evidence: string } }).failure.evidence
    expect(evidence).toContain('new: 50 of 200 answers failed (25.0%)')
    const since = 200 * Math.max(1, instances - 1)
    expect(evidence).toContain(`before: 0 of ${since} answers failed (0.0%)`)
    expect(evidence).toContain('50 × /cart')
    expect(after).toEqual({ ...restored, releases: olds })
  })

  test('a deploy that begins meanwhile ends the canary, and goes live', async () => {
    const server = await newSite(() => good, { instances })
    const process = await withCanary(server)
    const newer = run(server, { release: other, activation: id(2) })
    const { end } = await toEnd(server, process)
    expect(end).toMatchObject({ status: 'restored', live: previous, failure: { code: 'overtaken' } })
    expect(await newer).toMatchObject({ status: 'live', live: other, previous })
    expect([server.current, releases(server)]).toEqual([other, olds.map(() => other)])
  })

  test('a rollback that begins meanwhile ends the canary', async () => {
    const server = await newSite(() => good, { instances })
    const process = await withCanary(server)
    const back = { release: previous, replaces: previous, kind: 'rollback', activation: id(2) } as const
    const rollback = run(server, back)
    await toEnd(server, process)
    expect(await rollback).toMatchObject({ status: 'live', live: previous })
    expect([server.current, releases(server)]).toEqual([previous, olds])
  })

  test('a run that is cancelled takes the canary back', async () => {
    const server = await newSite(() => good, { instances })
    const process = await withCanary(server)
    server.withdrawn.add(id(1))
    const { end, ...after } = await toEnd(server, process)
    expect(end).toMatchObject({ status: 'restored', failure: { code: 'withdrawn' } })
    expect(after).toEqual({ ...restored, releases: olds })
  })

  test.each(['swap begin', 'swap done', 'canary begin', 'canary note', 'canary done', 'reload begin'])(
    'an activation whose process dies after "%s" is resumed, and goes live',
    async (line) => {
      const server = await newSite(() => good, { instances })
      const dying = begin(server, { canaryMs }, { diesAfterLine: line })
      await server.clock.runUntil(() => !dying.alive(), LONG)
      const { end, ...after } = await toEnd(server, begin(server, { canaryMs }))
      expect(end).toMatchObject({ status: 'live', live: target, previous })
      expect(after).toEqual({ gaps: 0, current: target, releases: olds.map(() => target), lock: null })
      expect(lines(server)).toContain('canary done')
    },
  )

  test('a canary whose process has died is taken back by the next deploy', async () => {
    const server = await newSite(() => good, { instances })
    const dying = begin(server, { canaryMs }, { diesAfterLine: 'canary note' })
    await server.clock.runUntil(() => !dying.alive(), LONG)
    expect(await run(server, { release: other, activation: id(2) })).toMatchObject({
      status: 'live',
      previous,
    })
    await rest(server)
    expect(server.journal.flatMap(({ verdict }) => verdict?.status ?? [])).toEqual(['restored', 'live'])
    expect(releases(server)).toEqual(olds.map(() => other))
  })
})

test('an old worker that PM2 starts again during the canary runs the old release', async () => {
  const server = await newSite()
  const process = await withCanary(server)
  server.workers.find(({ serves, release }) => serves && release === previous)!.signal('SIGKILL')
  await server.clock.runUntil(() => false, 5000)
  expect(releases(server).sort()).toEqual([previous, target])
  expect((await toEnd(server, process)).end).toMatchObject({ status: 'live' })
})

describe('there is no canary', () => {
  test('of a rollback', async () => {
    const server = await newSite()
    const verdict = await run(server, { release: first, kind: 'rollback', canaryMs })
    expect([verdict.status, lines(server).join()]).toEqual(['live', expect.not.stringContaining('canary')])
  })

  test('where nothing serves that it could be compared with, and the journal says so', async () => {
    const server = await newSite()
    for (const { id: worker } of server.pm2.list()) server.pm2.remove(worker, () => undefined)
    await rest(server)
    for (const release of [first, previous]) server.releases.delete(release)
    server.current = null
    expect(await run(server, { canaryMs })).toMatchObject({ status: 'live' })
    expect(server.journal.find(({ step }) => step === 'canary')).toMatchObject({
      state: 'done',
      detail: expect.stringMatching(/^skipped: /) as unknown as string,
    })
  })

  test('where the release listens on another address', async () => {
    const server = await newSite()
    server.runtimes.set(target, { port: 4000 })
    expect(await run(server, { canaryMs })).toMatchObject({ status: 'live' })
    expect(server.journal.find(({ step }) => step === 'canary')?.detail).toContain('another address')
  })
})

test('after the canary all workers are on probation', async () => {
  const server = await newSite()
  expect(await run(server, { canaryMs, watchMs: 30_000 })).toMatchObject({
    status: 'live',
    watch: { open: false },
  })
  expect(lines(server).filter((line) => /^(canary|reload|watch) (begin|done)$/.test(line))).toEqual([
    'canary begin',
    'canary done',
    'reload begin',
    'reload done',
    'watch begin',
    'watch done',
  ])
})

describe('by the journal', () => {
  const before = { current: previous, previous }
  const canary = { release: target, since: 1, pid: 2, others: [] }
  const entry = (words: string, facts: Partial<JournalEntry> = {}): JournalEntry => {
    const [activation, step, state] = words.split(' ') as [string, 'swap', 'begin']
    const nothing = { verdict: null, before: null, cause: null, probation: null, canary: null }
    return { time: '', activation, step, state, detail: '', ...nothing, ...facts }
  }
  const ended = { ...entry('b lock verdict', { verdict: keptVerdict(previous, null) }), step: null }
  const log = [entry('a lock begin'), entry('a swap begin', { before })]
  const begun = [...log, entry('a canary begin', { before, canary })]

  test.each([
    ['has not begun', log, { at: 'swapped' }, null],
    ['goes on', begun, { at: 'canary', before, canary }, canary],
    ['is over', [...begun, entry('a canary done')], { at: 'swapped' }, null],
    ['is taken back', [...begun, entry('a rollback begin')], { at: 'restoring' }, null],
  ])('a canary %s', (_, entries, state, open) => {
    expect(stateOf(entries, 'a', false)).toMatchObject(state)
    expect(canaryIn(entries)).toEqual(open)
  })

  test.each([
    ['another activation waits', [entry('b lock begin'), entry('b lock note')], true],
    ['another activation has given up', [entry('b lock begin'), ended], false],
    ['one that has ended is asked again', [ended, entry('b lock begin')], false],
    ['the one before watches', [entry('b watch note')], false],
    ['only its own process waits', [entry('a lock begin')], false],
  ])('it is awaited where %s', (_, more, awaited) => {
    expect(isAwaited([entry('b lock begin'), ...begun, ...more], 'a')).toBe(awaited)
  })
})
