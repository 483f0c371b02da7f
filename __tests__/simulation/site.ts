/** A site whose second release serves, and activations of a third one on it. */
import { runActivation } from '../../src/agent/activation/run.ts'
import { timesOf } from '../../src/agent/activation/stay.ts'
import { pm2App } from '../../src/agent/activation/workers.ts'
import type { ActivationRequest, Runtime, Verdict } from '../../src/protocol/messages.ts'
import { Clock } from './clock.ts'
import { FakeServer } from './fake-server.ts'
import { type Fate, good } from './fake-worker.ts'
import { fakeWorld, jobOf, type Options } from './fake-world.ts'

export const [first, previous, target, other] = [
  '20260101000000',
  '20260101000001',
  '20260101000002',
  '20260101000003',
] as const
export const id = (number: number) => `00000000-0000-4000-8000-00000000000${number}`

export async function newSite(
  fate: (index: number) => Fate = () => good,
  runtime: Partial<Runtime> = {},
  clock = new Clock(),
): Promise<FakeServer> {
  const server = new FakeServer(clock, { drainTimeoutMs: 30_000, ...runtime })
  server.releases.set(first, { verified: 1, fate: () => good })
  server.releases.set(target, { verified: null, fate })
  server.releases.set(other, { verified: null, fate: () => good })
  const { options } = pm2App(
    '/app',
    'app',
    { runtime: server.runtime, entry: 'server.js' },
    timesOf([server.runtime]),
  )
  await server.settle(previous, options)
  return server
}

/** A site whose app was started by somebody else: the first deploy replaces it. */
export async function newForeignSite(
  fate: (index: number) => Fate = () => good,
  clock = new Clock(),
): Promise<FakeServer> {
  const server = new FakeServer(clock, { drainTimeoutMs: 30_000 })
  server.releases.set(target, { verified: null, fate })
  const { options } = pm2App(
    '/app',
    'app',
    { runtime: server.runtime, entry: 'server.js' },
    timesOf([server.runtime]),
  )
  server.pm2.start({ script: '/srv/old.js', cwd: '/srv', mode: 'fork_mode' }, options, () => undefined)
  await clock.runUntil(() => server.serving().size > 0, 10_000)
  return server
}

/** One process of an activation. */
export interface Begun {
  readonly alive: () => boolean
  /** Null until it has ended. */
  readonly end: () => Verdict | Error | null
}

export function begin(
  server: FakeServer,
  changes: Partial<ActivationRequest> = {},
  options: Options = {},
): Begun {
  const job = jobOf({ activation: id(1), release: target, ...changes })
  const world = fakeWorld(server, job, options)
  let end: Verdict | Error | null = null
  runActivation(world, job).then(
    (verdict) => {
      world.process.alive = false
      end = verdict
    },
    (error: unknown) => {
      world.process.alive = false
      end = error as Error
    },
  )
  return { alive: () => world.process.alive, end: () => end }
}

/** In ms: longer than anything in these sites takes. */
export const LONG = 3_600_000

/** Runs an activation to its end. */
export async function run(
  server: FakeServer,
  changes: Partial<ActivationRequest> = {},
  options: Options = {},
): Promise<Verdict> {
  const process = begin(server, changes, options)
  await server.clock.runUntil(() => process.end() !== null, LONG)
  const end = process.end()
  if (end === null) throw new Error('it has not ended')
  if (end instanceof Error) throw end
  return end
}

/** Lets everything come to rest. */
export async function rest(server: FakeServer): Promise<void> {
  await server.clock.runUntil(() => false, 600_000)
}
