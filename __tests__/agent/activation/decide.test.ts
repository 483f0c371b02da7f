import { describe, expect, test } from '@jest/globals'
import {
  type Act,
  type Asked,
  type Decide,
  type Seen,
  servedRelease,
  toBecomeHealthy,
  toBeReplaced,
  toRestore,
  toScaleDown,
  toServe,
  toStayHealthy,
  toStop,
  toStopCrashLoop,
} from '../../../src/agent/activation/decide.ts'
import { timesOf } from '../../../src/agent/activation/stay.ts'
import { match, pm2App } from '../../../src/agent/activation/workers.ts'
import type { Answer } from '../../../src/common/health.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import type { WorkerRecord } from '../../../src/worker/worker-record.ts'
import { runtimeWith } from '../releases-on-disk.ts'

const [previous, target, third] = ['20260101000001', '20260101000002', '20260101000003']
const runtime = runtimeWith()
const times = timesOf([runtime])
const app = pm2App('/app', 'app', { runtime, entry: 'server.js' }, times)
const { options } = app
const leaving = { check: runtime.health, drainMs: 20_000 }

type Told = readonly [release: string, phase: WorkerRecord['phase']]

function processOf(id: number, pid: number, status = 'online'): Pm2Process {
  return {
    id,
    pid,
    status,
    ...app,
    mode: 'cluster_mode',
    definition: {},
  } as unknown as Pm2Process
}

function recordOf(pid: number, [release, phase]: Told): WorkerRecord {
  const isOpen = phase === 'open' || phase === 'draining'
  const rest = {
    startTime: '1',
    leavesAt: null,
    detail: '',
    excerpt: '',
    movedPorts: null,
    cache: null,
    outlives: true,
    orphaned: null,
    traffic: null,
    candidate: false,
  }
  return { pid, release, phase, port: isOpen ? 40_000 : 0, doorPort: isOpen ? 3000 : 0, ...rest }
}

/** `[id, pid, status, [release, phase]]` for each that PM2 lists, and `[pid, [release, phase]]` for others. */
function see(
  listed: readonly (readonly [number, number, string, Told?])[],
  others: readonly (readonly [number, Told])[] = [],
): Seen {
  const records = [
    ...listed.flatMap(([, pid, , told]) => (told === undefined ? [] : [recordOf(pid, told)])),
    ...others.map(([pid, told]) => recordOf(pid, told)),
  ]
  const found = match(
    listed.map(([id, pid, status]) => processOf(id, pid, status)),
    records,
  )
  return { ...found, answers: new Map(), door: null, replacing: new Set() }
}

const fresh: Asked = { now: 0, since: 0, late: false, acts: [], refused: [], sightings: [], looks: [] }
const asked = (changes: Partial<Asked>): Asked => ({ ...fresh, ...changes })
const after = (acts: readonly Act[], changes: Partial<Asked> = {}): Asked =>
  asked({ acts: acts.map((act) => ({ act, at: 0, answered: false })), ...changes })
const short = (acts: ReturnType<Decide>) =>
  Array.isArray(acts) ? (acts as readonly Act[]).map(({ do: what, id, pid }) => `${what} ${id} ${pid}`) : acts

describe('to serve', () => {
  const initial = [processOf(0, 10), processOf(1, 11)]
  const serving = { app, release: target, count: 2, from: 0, initial, adopted: new Set<number>() }
  const old = see([
    [0, 10, 'online', [previous, 'open']],
    [1, 11, 'online', [previous, 'open']],
  ])
  const reloads: readonly Act[] = [0, 1].map((id) => ({ do: 'reload', id, pid: 10 + id, options }))

  test('every worker is reloaded at once', () => {
    expect(short(toServe(serving)(old, fresh))).toEqual(['reload 0 10', 'reload 1 11'])
    expect(toServe(serving)(old, after(reloads))).toEqual([])
  })

  test('a daemon that lists nobody any more has died, and nobody waits for its workers', () => {
    const sightings = [{ id: 0, pid: 10, release: previous }]
    expect(toServe(serving)(see([]), after(reloads, { sightings }))).toMatchObject({ code: 'pm2-failed' })
    const first = { ...serving, initial: [] }
    expect(short(toServe(first)(see([]), fresh))).toEqual(['start 0 0'])
  })

  test('goes on where PM2 refuses to replace a worker that PM2 has restarted itself', () => {
    const refused = { refused: ['PM2 refused: process already started'] }
    const [first, second] = [
      [0, 20, 'launching', [target, 'booting']],
      [1, 21, 'launching', [target, 'booting']],
    ] as const
    expect(toServe(serving)(see([first, second]), after(reloads, refused))).toEqual([])
    const left = [1, 11, 'online', [previous, 'open']] as const
    for (const seen of [see([first, left]), see([first])])
      expect(toServe(serving)(seen, after(reloads, refused))).toMatchObject({ code: 'pm2-failed' })
  })

  test('one after the other, where memory is short', () => {
    expect(short(toServe({ ...serving, count: 1 })(old, fresh))).toEqual(['reload 0 10'])
    const first = see([
      [0, 20, 'online', [target, 'open']],
      [1, 11, 'online', [previous, 'open']],
    ])
    expect(toServe({ ...serving, count: 1 })(first, fresh)).toBe('done')
    expect(short(toServe({ ...serving, from: 1 })(first, fresh))).toEqual(['reload 1 11'])
  })

  test('missing workers are duplicates of the first', () => {
    const one = { ...serving, count: 3, initial: initial.slice(0, 1) }
    const seen = see([[0, 10, 'online', [previous, 'open']]])
    expect(short(toServe(one)(seen, fresh))).toEqual(['reload 0 10', 'duplicate 0 10', 'duplicate 0 10'])
    const duplicate: Act = { do: 'duplicate', id: 0, pid: 10 }
    expect(toServe(one)(seen, after([reloads[0]!, duplicate, duplicate]))).toEqual([])
  })

  test('an app that does not run is started once, and the others follow it', () => {
    const none = { ...serving, initial: [] }
    expect(short(toServe(none)(see([]), fresh))).toEqual(['start 0 0'])
    const start: Act = { do: 'start', id: 0, pid: 0, app }
    expect(toServe(none)(see([]), after([start]))).toEqual([])
    expect(short(toServe(none)(see([[0, 20, 'launching']]), after([start])))).toEqual(['duplicate 0 20'])
  })

  test('what an earlier process had asked for is not asked again', () => {
    const resumed = { ...serving, adopted: new Set([0]) }
    expect(short(toServe(resumed)(old, fresh))).toEqual(['reload 1 11'])
  })

  test('a worker counts that PM2 has online, runs the release, is open, and is new', () => {
    const now = (status: string, told: Told, pid = 21) =>
      toServe(serving)(
        see([
          [0, 20, 'online', [target, 'open']],
          [1, pid, status, told],
        ]),
        after(reloads),
      )
    expect(now('online', [target, 'open'])).toBe('done')
    expect(now('launching', [target, 'open'])).toEqual([])
    expect(now('online', [target, 'proving'])).toEqual([])
    expect(now('online', [previous, 'open'])).toEqual([])
    // The same release from before is no proof.
    expect(now('online', [target, 'open'], 11)).toEqual([])
  })

  test.each<[string, Seen, Partial<Asked>, object]>([
    ['PM2 has given up', see([[0, 20, 'errored']]), {}, { code: 'worker-died' }],
    [
      'another process has the place of one that had reported',
      see([[0, 21, 'launching', [target, 'booting']]]),
      { sightings: [{ id: 0, pid: 20, release: target }] },
      { code: 'worker-died' },
    ],
    [
      'PM2 refuses',
      old,
      { refused: ['PM2 refused to reload'] },
      { code: 'pm2-failed', message: 'PM2 did not start the workers: PM2 refused to reload.' },
    ],
    [
      'there is no more time',
      old,
      { late: true },
      { code: 'worker-unhealthy', message: expect.stringContaining('2 of 2 workers did not serve') },
    ],
  ])('fails when %s', (_, seen, changes, problem) => {
    expect(toServe(serving)(seen, after(reloads, changes))).toMatchObject(problem)
  })
})

describe('to restore', () => {
  const decide = toRestore({ release: previous, options, instances: 2, failed: target, leaving })
  const good = [1, 11, 'online', [previous, 'open']] as const

  test.each<[string, readonly [number, number, string, Told?], readonly string[]]>([
    ['a worker behind its door is told to leave', [0, 20, 'launching', [target, 'proving']], ['sigint 0 20']],
    [
      'one that serves the failed release is restarted',
      [0, 20, 'online', [target, 'open']],
      ['restart 0 20'],
    ],
    ['one of a third release stays meanwhile', [0, 20, 'online', [third, 'open']], ['reload 0 20']],
    ['one that PM2 has given up is restarted', [0, 0, 'errored'], ['restart 0 0']],
    ['one that has just started is waited for', [0, 20, 'launching'], []],
    ['one of the release is waited for', [0, 20, 'launching', [previous, 'booting']], []],
  ])('%s', (_, worker, acts) => {
    expect(short(decide(see([worker, good]), fresh))).toEqual(acts)
  })

  test('a worker behind its door that does not leave is killed', () => {
    const seen = see([[0, 20, 'launching', [target, 'booting']], good])
    expect(short(decide(seen, after([{ do: 'sigint', id: 0, pid: 20 }])))).toEqual(['kill 0 20'])
  })

  test('one that hangs behind an open door is asked after 5 s, one at a time, and killed when it drains too long', () => {
    const restart: Act = { do: 'restart', id: 0, pid: 20, options }
    const open = see([[0, 20, 'stopping', [target, 'open']], good])
    expect(decide(open, after([restart], { now: 4999 }))).toEqual([])
    expect(short(decide(open, after([restart], { now: 5000 })))).toEqual(['kill-if-hung 0 20'])
    const ask: Act = { do: 'kill-if-hung', id: 0, pid: 20, port: 1, check: runtime.health }
    expect(decide(open, after([restart, ask], { now: 9000 }))).toEqual([])
    const draining = see([[0, 20, 'stopping', [target, 'draining']], good])
    expect(decide(draining, after([restart], { now: 19_999 }))).toEqual([])
    expect(short(decide(draining, after([restart], { now: 20_000 })))).toEqual(['kill 0 20'])
  })

  test('is done when every worker serves, or PM2 has none', () => {
    expect(decide(see([[0, 10, 'online', [previous, 'open']], good]), fresh)).toBe('done')
    expect(decide(see([]), fresh)).toBe('done')
    expect(decide(see([good]), fresh)).toBe('done')
  })

  test('fails when there is no more time', () => {
    const seen = see([[0, 20, 'launching', [target, 'booting']], good])
    expect(decide(seen, asked({ late: true }))).toMatchObject({ code: 'restore-failed' })
  })
})

describe('to stop', () => {
  const decide = toStop(true, leaving)
  const stopped = see([
    [0, 0, 'stopped'],
    [1, 0, 'errored'],
  ])

  test('workers that start are killed, and those that serve are stopped', () => {
    const seen = see([
      [0, 20, 'launching', [target, 'booting']],
      [1, 21, 'online', [target, 'open']],
      [2, 0, 'launching'],
    ])
    expect(short(decide(seen, fresh))).toEqual(['kill 0 20', 'stop 1 21'])
    expect(short(decide(see([[0, 20, 'online', [target, 'halted']]]), fresh))).toEqual(['stop 0 20'])
  })

  test('is done after five looks in a row that find nothing', () => {
    expect(decide(stopped, asked({ looks: [stopped, stopped, stopped] }))).toEqual([])
    expect(decide(stopped, asked({ looks: [stopped, stopped, stopped, stopped] }))).toBe('done')
    const running = see([[0, 20, 'launching', [target, 'booting']]])
    expect(decide(stopped, asked({ looks: [stopped, running, stopped, stopped] }))).toEqual([])
  })

  test('workers that drain need not be waited for', () => {
    const draining = see([[0, 20, 'stopping', [target, 'draining']]])
    const looks = Array.from({ length: 4 }, () => draining)
    expect(toStop(false, leaving)(draining, asked({ looks }))).toBe('done')
    expect(decide(draining, asked({ looks }))).toEqual([])
    expect(decide(draining, asked({ looks, late: true }))).toMatchObject({ code: 'restore-failed' })
  })

  test('kills the workers of a crash loop whenever they start, until the time is over', () => {
    const seen = see([
      [0, 20, 'launching', [target, 'booting']],
      [1, 11, 'online', [previous, 'open']],
    ])
    expect(short(toStopCrashLoop(seen, after([{ do: 'kill', id: 0, pid: 20 }])))).toEqual(['kill 0 20'])
    expect(toStopCrashLoop(seen, asked({ late: true }))).toBe('done')
    expect(toStopCrashLoop(see([[0, 20, 'online', [target, 'halted']]]), fresh)).toBe('done')
  })
})

describe('to scale down', () => {
  const decide = toScaleDown(target, 1, leaving)
  const serving = [0, 20, 'online', [target, 'open']] as const

  test('the youngest are removed, and those told to leave that PM2 does not list, also while they boot', () => {
    const seen = see(
      [serving, [1, 21, 'online', [target, 'open']]],
      [
        [30, [target, 'open']],
        [31, [target, 'booting']],
        [32, [previous, 'draining']],
      ],
    )
    expect(short(decide(seen, fresh))).toEqual(['remove 1 21', 'sigint -1 30', 'sigint -1 31'])
  })

  test('nobody is told to leave where PM2 lists no worker that serves: its daemon has just died', () => {
    const orphans = [
      [30, [target, 'open']],
      [31, [previous, 'open']],
    ] as const
    expect(decide(see([], orphans), fresh)).toEqual([])
    expect(decide(see([[0, 20, 'launching', [target, 'proving']]], orphans), fresh)).toEqual([])
    expect(decide(see([], orphans), { ...fresh, late: true })).toBe('done')
  })

  test('one of another release that does not close its door is asked whether it hangs, and none of the release itself', () => {
    const told = after(
      [30, 31].map((pid): Act => ({ do: 'sigint', id: -1, pid })),
      { now: 5000 },
    )
    const seen = see(
      [serving],
      [
        [30, [previous, 'open']],
        [31, [target, 'open']],
      ],
    )
    expect(short(decide(seen, told))).toEqual(['kill-if-hung -1 30'])
    expect(decide(seen, { ...told, now: 4999 })).toEqual([])
  })

  test('waits for an orphan of the release itself, and checks whether it hangs, until it says how long it stays', () => {
    const seen = see([serving], [[30, [target, 'open']]])
    const orphan = (leavesAt: number | null): Seen => ({
      ...seen,
      unlisted: seen.unlisted.map((one) => ({ ...one, leavesAt, orphaned: { since: 0, beside: [] } })),
    })
    const told = after([{ do: 'sigint', id: -1, pid: 30 }])
    expect(decide(orphan(null), told)).toEqual([])
    expect(short(decide(orphan(null), { ...told, now: 5000 }))).toEqual(['kill-if-hung -1 30'])
    expect(decide(orphan(60_000), { ...told, now: 5000 })).toBe('done')
  })

  test('is done once no other release takes traffic and nobody unlisted boots', () => {
    const told = after([30, 31].map((pid): Act => ({ do: 'sigint', id: -1, pid })))
    expect(decide(see([serving], [[30, [previous, 'open']]]), told)).toEqual([])
    expect(decide(see([serving], [[31, [target, 'booting']]]), told)).toEqual([])
    expect(decide(see([serving], [[30, [previous, 'draining']]]), told)).toBe('done')
    expect(decide(see([serving], [[30, [target, 'open']]]), told)).toBe('done')
    expect(decide(see([serving], [[30, [previous, 'open']]]), { ...told, late: true })).toBe('done')
  })
})

test('to be replaced: nobody is aside, or there is no more time', () => {
  const seen = { ...see([]), replacing: new Set([0]) }
  expect(toBeReplaced(seen, fresh)).toEqual([])
  expect(toBeReplaced(seen, asked({ late: true }))).toBe('done')
  expect(toBeReplaced(see([]), fresh)).toBe('done')
})

describe('healthy', () => {
  const answer = (healthy: boolean): Answer => ({
    healthy,
    status: healthy ? 200 : 500,
    detail: 'HTTP',
    excerpt: 'why',
  })
  const worker = see([[0, 20, 'online', [target, 'open']]])
  const seen = (healthy: boolean, door = 200): Seen => ({
    ...worker,
    answers: new Map([[20, answer(healthy)]]),
    door: { ...answer(true), status: door },
  })
  const shown = { release: target, address: '127.0.0.1:3000' }
  const stay = toStayHealthy(shown, [20], 500)

  test('to stay so: the same workers, for the whole time', () => {
    expect(stay(seen(true), asked({ now: 499 }))).toEqual([])
    expect(stay(seen(true), asked({ now: 500 }))).toBe('done')
    expect(stay(seen(false), fresh)).toMatchObject({ code: 'worker-unhealthy', evidence: 'why' })
    expect(stay(seen(true, 0), fresh)).toMatchObject({ code: 'door-closed' })
    expect(toStayHealthy(shown, [20, 21], 0)(seen(true), fresh)).toMatchObject({ code: 'worker-died' })
  })

  test('to become so: in time', () => {
    const become = toBecomeHealthy(shown, 1)
    expect(become(seen(true), fresh)).toBe('done')
    expect([become(seen(false), fresh), become(see([]), fresh)]).toEqual([[], []])
    expect(become(seen(false), asked({ late: true }))).toMatchObject({ code: 'worker-unhealthy' })
    expect(become(see([]), asked({ late: true }))).toMatchObject({ code: 'restore-failed' })
  })
})

test('the served release is the one that all open workers run', () => {
  expect(servedRelease(see([[0, 10, 'online', [target, 'open']]]).listed)).toBe(target)
  expect(servedRelease(see([[0, 10, 'online', [target, 'draining']]]).listed)).toBeNull()
  const both = see([
    [0, 10, 'online', [target, 'open']],
    [1, 11, 'online', [previous, 'open']],
  ])
  expect(servedRelease(both.listed)).toBeNull()
})
