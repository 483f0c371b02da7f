/** Brings the workers to the release that `current` points at. */
import { failure } from '../../common/errors/server.ts'
import type { Pm2App } from '../pm2/client.ts'
import { type Activation, tellWorkers } from './activation.ts'
import { converge } from './converge.ts'
import {
  isStarting,
  serves,
  servingNow,
  toBeReplaced,
  toServe,
  toStopCrashLoop,
  type Worker,
} from './decide.ts'
import type { Moment } from './state.ts'

/** Old workers look at the notice this often at the most, with room for a busy machine, in ms. */
export const DOORS_CLOSE = 10_000
/** A crash loop ends within this, or never, in ms. */
const CRASH_LOOP = 30_000

interface Wanted {
  readonly app: Pm2App
  readonly release: string
  /** The place of the first worker in PM2's list; by default 0. */
  readonly first?: number
  /** How many workers are in the list then. */
  readonly instances: number
  /** All at once, or one after the other, each after its old worker has gone. */
  readonly together: boolean
  /** For the workers of one turn, in ms. */
  readonly limitMs: number
  /** What the workers are told meanwhile. */
  readonly moment: Moment
}

/**
 * Brings `instances` workers to the release that `current` points at, and waits until they serve it.
 * @throws Failure `worker-died`, `worker-unhealthy` or `pm2-failed`, with what was seen last
 */
export async function serve(activation: Activation, wanted: Wanted): Promise<readonly Worker[]> {
  const { world } = activation
  const { app, release, first = 0, instances, together, limitMs } = wanted
  const adopted = await underWay(activation, release)
  if (adopted.size === 0) {
    await untilReplaced(activation)
    await stopCrashLoop(activation, wanted.moment)
  }
  const initial = await world.list()
  let from = first
  for (let count = together ? instances : first + 1; ; count += 1) {
    const serving = { app, release, first, count, from, initial, adopted }
    const { seen, answered } = await converge(world, toServe(serving), { limitMs })
    if (count >= instances) {
      if (!together) await answered
      return servingNow(seen, serving)
    }
    const refused = await answered
    if (refused.length > 0) throw failure('pm2-failed: refused', { problem: refused.join('; ') })
    from = count
  }
}

/**
 * The ids that PM2 is replacing by the target already, and the canary's. PM2's daemon carries through what an earlier
 * process had asked for. To wait for that would take a release that dies again and again longer than the old workers stay.
 */
async function underWay({ world, facts }: Activation, release: string): Promise<ReadonlySet<number>> {
  if (!facts.resumed || release !== facts.target.release) return new Set()
  const { listed, replacing } = await world.look({ replacing: true })
  const canary = listed.find((worker) => worker.process.pid === facts.canary && serves(worker, release))
  return new Set([...replacing, ...(canary === undefined ? [] : [canary.process.id])])
}

/** Waits for old workers that still drain from the activation before. */
export async function untilReplaced({ world, facts }: Activation): Promise<void> {
  await converge(world, toBeReplaced, { limitMs: facts.app.options.kill_timeout, ask: { replacing: true } })
}

async function stopCrashLoop(activation: Activation, moment: Moment): Promise<void> {
  const { world } = activation
  const { listed } = await world.look({})
  if (!listed.some(isStarting)) return
  await tellWorkers(activation, moment, { halt: true })
  await converge(world, toStopCrashLoop, { limitMs: CRASH_LOOP })
  await tellWorkers(activation, moment)
}
