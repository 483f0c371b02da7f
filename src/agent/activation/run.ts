/**
 * The activation: from the lock to the verdict, and back if need be. It runs detached from the SSH session, so that it
 * ends in a verdict whatever happens to the runner; the runner only reads the journal. Every step can be repeated: its
 * process may die at any moment, and another one goes on from what the journal says.
 */
import { Failure } from '../../common/failure.ts'
import type { Verdict } from '../../protocol/messages.ts'
import type { Activation } from './activation.ts'
import { canary, wantsCanary } from './canary.ts'
import { conclude, leaveAsIs } from './conclude.ts'
import { gatherFacts } from './facts.ts'
import { goLive } from './go-live.ts'
import type { Job } from './job.ts'
import { restore } from './restore.ts'
import {
  type AfterFailure,
  hasTouched,
  interruptedIn,
  isOnProbation,
  lastThatTouched,
  mayDismiss,
  onFailure,
  type State,
  stateOf,
} from './state.ts'
import { prepareAndSwap } from './swap.ts'
import { watch } from './watch.ts'
import type { World } from './world.ts'

type Settled = Extract<State, { at: 'settled' }>

interface Run {
  readonly world: World
  readonly job: Job
  /** Null until it has the lock. */
  activation: Activation | null
  /** An earlier process has begun to touch what is live. */
  resumed: boolean
}

/** @throws where there is no verdict: something live was touched, and whoever resumes it comes to one */
export async function runActivation(world: World, job: Job): Promise<Verdict> {
  const run: Run = { world, job, activation: null, resumed: false }
  let state: State = { at: 'queued' }
  try {
    while (state.at !== 'settled') {
      if (state.at === 'unsettled') throw state.cause
      state = await next(run, state).catch((error: unknown) => afterFailure(run, state, error))
    }
    // Before the lock is given back: nobody may come between and find this one without an end.
    const { verdict, known } = state.known ? state : await settle(run, state)
    // Only now: should this process die before its verdict, another one may have to put that back.
    if (!known && lastThatTouched(await world.entries()) === job.request.activation)
      await world.forgetReplaced().catch(() => undefined)
    if (mayDismiss(state)) await world.dismiss()
    return verdict
  } finally {
    await world.unlock()
  }
}

/** A watch ends without the app's lock: another process of this activation may have written a verdict already. */
function settle({ world, job }: Run, state: Settled): Promise<Settled> {
  return world.alone(async () => {
    const now = stateOf(await world.entries(), job.request.activation, false)
    if (now.at === 'settled') return now
    await world.journal.verdict(state.verdict)
    return state
  })
}

async function next(run: Run, state: State): Promise<State> {
  const { world, job, activation } = run
  switch (state.at) {
    case 'queued':
      return begin(run)
    case 'prepared':
      return prepareAndSwap(activation!)
    case 'swapped':
      if (await wantsCanary(activation!))
        return { at: 'canary', before: activation!.facts.before, canary: null }
      return goLive(activation!)
    case 'canary':
      return canary(activation!, state.canary).then(async (after) => {
        // The workers are not those of the beginning any more.
        run.activation = { ...activation!, facts: await gatherFacts(world, job, after) }
        return after
      })
    case 'watching':
      return watch(activation!, state.probation)
    case 'restoring':
      return restore(activation!, state.cause)
    case 'ended':
      return conclude(activation!, state.as, state.cause)
    case 'superseded':
      return leaveAsIs(world, state.cause)
    default:
      throw Failure.from(new Error(`${job.request.activation} is ${state.at} already`))
  }
}

/** Waits for the lock, and finds out from the journal where the activation stands. */
async function begin(run: Run): Promise<State> {
  const { world, job } = run
  const { activation, kind, release, lockTimeoutMs } = job.request
  const { journal } = world
  if (hasTouched(await world.entries(), activation)) {
    journal.bestEffort()
    // It has no choice but to go on, and an earlier process may have used the reserve up.
    await world.takeReserve().catch(() => undefined)
  } else {
    await world.takeReserve()
  }
  await journal.begin('lock', 'waiting for the lock')
  await lockInTurn(world, activation)
  await journal.done('lock', 'locked')
  // Two sessions may have resumed the same one whose process had died.
  const state = stateOf(await world.entries(), activation, await world.isLost())
  if (state.at === 'settled') return state
  const resumed = state.at !== 'prepared'
  run.resumed = resumed
  if (resumed) journal.bestEffort()
  await world.endLeftovers(!resumed)
  await world.connect()
  if (state.at === 'superseded') return state
  const { runtime } = await world.goal(release)
  // A preview has no port that another app could want, and keeps no other app waiting.
  const locked = runtime.socket
    ? Promise.resolve()
    : world.lockPort(runtime.port, resumed ? 0 : lockTimeoutMs)
  await locked.catch((error: unknown) => {
    // After the swap there is no way out but forward or back.
    if (resumed) return
    // A disk that takes no lock must not keep a release away that has to come back.
    if (kind !== 'deploy' && !['locked', 'withdrawn'].includes(Failure.from(error).code)) return
    throw error
  })
  // What PM2 runs may change while it waits for the port.
  run.activation = { world, job, facts: await gatherFacts(world, job, state), during: 'swap' }
  return state
}

/**
 * Takes the lock, and finishes an activation first that was interrupted. PM2 may still be replacing workers for that one,
 * and would end the old ones while it waits for new ones that never come.
 */
async function lockInTurn(world: World, activation: string): Promise<void> {
  await world.lock()
  const entries = await world.entries()
  const other = interruptedIn(entries)
  if (other === null || hasTouched(entries, activation) || isOnProbation(entries, other)) return
  await world.unlock()
  await world.journal.note('lock', `finishing activation ${other} first, which was interrupted`)
  await world.finish(other)
  await world.lock()
}

async function afterFailure(
  { world, job, activation, resumed }: Run,
  state: State,
  error: unknown,
): Promise<State> {
  const before = activation?.facts.before
  const seen: AfterFailure = {
    // What nobody can tell is taken for what it was.
    current: await world.current().catch(() => before?.current ?? null),
    serving: await world.serving(),
    before,
    touched: resumed || hasTouched(await world.entries(), job.request.activation),
    elsewhere: await world.isElsewhere(),
    during: activation?.during ?? 'lock',
  }
  return onFailure(state, world.toFailure(error), seen)
}
