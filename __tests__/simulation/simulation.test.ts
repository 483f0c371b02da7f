import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { good } from './fake-worker.ts'
import { type Plan, planOf } from './plan.ts'
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
async function findBroken(among: readonly number[], wiring: Wiring = {}): Promise<string | null> {
  for (const seed of among) {
    const broken = await simulate(planOf(seed), wiring)
    if (broken.length > 0) return `GAPLESS_SIMULATION_SEED=${seed}: ${broken.join('; ')}`
  }
  return null
}

test(`every promise holds in ${seeds.length} simulated activations`, async () => {
  const broken = await findBroken(seeds)
  if (broken !== null && only !== undefined)
    process.stderr.write(`${JSON.stringify(planOf(seeds[0]!), null, 2)}\n`)
  expect(broken).toBeNull()
}, 3_600_000)

describe('the simulation finds', () => {
  const calm: Plan = {
    kind: 'deploy',
    fates: [good],
    latency: 1,
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
      { preActivate: { ms: 3000, fails: false }, crashes: [{ call: 27, after: true }] },
      'two hooks run at once',
    ],
  ])('%s', async (_, wiring, changes, expected) => {
    const plan = { ...calm, ...changes }
    expect(await simulate(plan)).toEqual([])
    expect((await simulate(plan, wiring)).join('; ')).toContain(expected)
  })
})
