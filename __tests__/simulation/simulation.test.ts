import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { good } from './fake-worker.ts'
import { simulateHosts } from './hosts.ts'
import { hostsPlanOf, type Plan, planOf } from './plan.ts'
import { simulate, type Wiring } from './simulate.ts'

/** `GAPLESS_SIMULATION_SEED=7 npm run test:simulation` plays one seed again. */
const only = process.env['GAPLESS_SIMULATION_SEED']
const count = process.env['GAPLESS_TEST_ALL'] === '1' ? 10_000 : 200
const seeds = only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)]

beforeEach(() => {
  // Where the journal says what a full disk did not take.
  jest.spyOn(console, 'error').mockImplementation(() => undefined)
})
afterEach(() => {
  jest.restoreAllMocks()
})

/** The first seed of which something does not hold, and what. */
async function firstBroken(play: (seed: number) => Promise<readonly string[]>): Promise<string | null> {
  for (const seed of seeds) {
    const broken = await play(seed)
    if (broken.length > 0) return `GAPLESS_SIMULATION_SEED=${seed}: ${broken.join('; ')}`
  }
  return null
}

describe(`of ${seeds.length} simulated`, () => {
  test('activations, each keeps every promise', async () => {
    expect(await firstBroken((seed) => simulate(planOf(seed)))).toBeNull()
  }, 3_600_000)

  test('runs on several hosts, each ends with one release everywhere', async () => {
    const play = (seed: number) => {
      const { plan, runner } = hostsPlanOf(seed)
      return simulateHosts(plan, runner)
    }
    expect(await firstBroken(play)).toBeNull()
  }, 3_600_000)
})

describe('the simulation finds', () => {
  const calm: Plan = {
    kind: 'deploy',
    fates: [good],
    latency: 1,
    canaryMs: 0,
    watchMs: 0,
    preActivate: null,
    postActivate: null,
    crashes: [],
    resumedAfter: 100,
    pm2: [],
    startsTwice: true,
    fullDisk: null,
    rivalAt: null,
    twinAt: null,
    clockJump: 0,
  }
  const dying = [good, { ...good, bootMs: 3000 }, { ...good, diesAtBoot: true }]

  test.each<[string, Wiring, Partial<Plan>, string]>([
    [
      'a worker that PM2 forgets',
      { restartsEarly: true },
      { fates: dying.slice(1) },
      'PM2 does not know worker',
    ],
    [
      'an activation that finds the journal emptied',
      { losesJournal: true },
      { fates: dying.slice(2), crashes: [{ call: 55, after: true }] },
      'it went forward again after it began to restore',
    ],
    [
      'two pre-activate at once',
      { losesHooks: true },
      { preActivate: { ms: 3000, fails: false }, crashes: [{ call: 26, after: true }] },
      'two hooks run at once',
    ],
  ])('%s', async (_, wiring, changes, expected) => {
    const plan = { ...calm, ...changes }
    expect(await simulate(plan)).toEqual([])
    expect((await simulate(plan, wiring)).join('; ')).toContain(expected)
  })
})
