/** What happens in one run of the simulation, all chosen by its seed. */
import fc from 'fast-check'
import { type Fate, good } from './fake-worker.ts'
import type { RunnerPlan } from './hosts.ts'

export interface Plan {
  readonly kind: 'deploy' | 'rollback'
  /** Of each worker of the release on trial, in the order in which they start; then from the beginning again. */
  readonly fates: readonly Fate[]
  /** How long one worker serves the release as a canary, in ms. */
  readonly canaryMs: number
  /** How long the release is on probation, in ms. */
  readonly watchMs: number
  /** How long each call of a process into its world takes, in ms. */
  readonly latency: number
  readonly preActivate: Hook
  readonly postActivate: Hook
  /** When the first processes of the activation die; the one after them does not. */
  readonly crashes: readonly { readonly call: number; readonly after: boolean }[]
  /** After which another session resumes it, in ms. */
  readonly resumedAfter: number
  readonly pm2: readonly Pm2Fault[]
  /** PM2 starts a worker twice that is restarted before it was ready. */
  readonly startsTwice: boolean
  /** When the disk fills up, and for how long, in ms. */
  readonly fullDisk: { readonly at: number; readonly ms: number } | null
  /** When another deploy begins, in ms. */
  readonly rivalAt: number | null
  /** A second process of the same activation, though the first lives. */
  readonly twinAt: number | null
  /** By how much the time of day jumps with each entry of the journal, in ms. */
  readonly clockJump: number
}

export type Hook = { readonly ms: number; readonly fails: boolean } | null

export interface Pm2Fault {
  readonly at: number
  readonly what: 'silent' | 'dies' | 'forgets'
  readonly ms: number
}

/** @param of how many plans one has none */
const mostly = <T>(arbitrary: fc.Arbitrary<T>, of = 5): fc.Arbitrary<T | null> =>
  fc.option(arbitrary, { freq: of - 1, nil: null })
/** @param of how many plans one has it */
const rarely = <T>(arbitrary: fc.Arbitrary<T>, of: number): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: of - 1, arbitrary: fc.constant(null) }, { weight: 1, arbitrary })
const ms = (max: number) => fc.integer({ min: 0, max })

const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ ...constants(good), bootMs: ms(2000) }) },
  { weight: 1, arbitrary: fc.constant({ ...good, bootMs: 8000 }) },
  {
    weight: 1,
    arbitrary: fc.record({ ...constants(good), bootMs: ms(2000), diesAtBoot: fc.constant(true) }),
  },
  { weight: 1, arbitrary: fc.constant({ ...good, hangsAtBoot: true }) },
  { weight: 1, arbitrary: fc.record({ ...constants(good), diesAfter: ms(2000) }) },
  { weight: 1, arbitrary: fc.record({ ...constants(good), hangsAfter: ms(2000) }) },
  { weight: 1, arbitrary: fc.record({ ...constants(good), sickAfter: ms(2000) }) },
  { weight: 1, arbitrary: fc.record({ ...constants(good), drainMs: ms(30_000) }) },
)

function constants(of: Fate) {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, fc.constant(value)])) as {
    [K in keyof Fate]: fc.Arbitrary<Fate[K]>
  }
}

const hook = mostly(fc.record({ ms: ms(3000), fails: fc.boolean() }), 2)
const crash = fc.record({ call: fc.integer({ min: 1, max: 200 }), after: fc.boolean() })
const pm2Fault: fc.Arbitrary<Pm2Fault> = fc.record({
  at: ms(10_000),
  what: fc.constantFrom('silent', 'dies', 'forgets'),
  ms: ms(40_000),
})

const plan: fc.Arbitrary<Plan> = fc.record({
  kind: fc.constantFrom('deploy', 'rollback'),
  fates: fc.oneof(fc.constant([good]), fc.array(fate, { minLength: 1, maxLength: 4 })),
  latency: fc.constantFrom(0, 1, 7, 40),
  watchMs: fc.constantFrom(0, 0, 5000, 60_000),
  preActivate: hook,
  postActivate: hook,
  crashes: fc.oneof(fc.constant([]), fc.array(crash, { maxLength: 3 })),
  resumedAfter: ms(3000),
  pm2: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(pm2Fault, { maxLength: 2 }) },
  ),
  startsTwice: fc.boolean(),
  fullDisk: mostly(fc.record({ at: ms(5000), ms: ms(20_000) })),
  rivalAt: mostly(ms(20_000)),
  twinAt: mostly(ms(5000)),
  clockJump: fc.integer({ min: -1e9, max: 1e9 }),
  canaryMs: fc.constantFrom(0, 0, 3000, 20_000),
})

export function planOf(seed: number): Plan {
  return fc.sample(plan, { seed, numRuns: 1 })[0]!
}

const host = fc.integer({ min: 0, max: 2 })

const runner: fc.Arbitrary<RunnerPlan> = fc.record({
  troubled: host,
  foreign: rarely(host, 3),
  rejects: rarely(host, 8),
  unreachable: rarely(fc.record({ host, at: ms(60_000) }), 8),
  unheard: rarely(host, 8),
  losesAfter: rarely(fc.integer({ min: 200, max: 20_000 }), 2),
  repeats: fc.boolean(),
  frozen: ms(60_000),
  batch: fc.constantFrom({ hosts: 1 }, { percent: 100 }),
  publicUrl: fc.constantFrom(null, 'healthy', 'ill'),
})

/** Of several hosts: their PM2 is well, so that each can restore its previous release. */
export function hostsPlanOf(seed: number): { readonly plan: Plan; readonly runner: RunnerPlan } {
  const chosen = fc.sample(fc.record({ plan, runner }), { seed, numRuns: 1 })[0]!
  return { ...chosen, plan: { ...chosen.plan, pm2: [], fullDisk: null, rivalAt: null, kind: 'deploy' } }
}
