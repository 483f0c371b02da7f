/** Puts the previous release back in its place, and shows that it serves. */
import { texts } from '../../common/errors/activation.ts'
import { Failure } from '../../common/failure.ts'
import { formatAddress } from '../system/sockets.ts'
import { runsUnder } from '../pm2/client.ts'
import { type Activation, tellWorkers, toRecord } from './activation.ts'
import { converge } from './converge.ts'
import { recordsIn, type Seen, serves, toBecomeHealthy, toRestore, toScaleDown, toStop } from './decide.ts'
import type { Goal } from './goal.ts'
import { mayRunTogether } from './memory.ts'
import { replacesNothing } from './replaced.ts'
import { DOORS_CLOSE, serve } from './serve.ts'
import type { Cause, State } from './state.ts'
import { pm2App } from './workers.ts'

const nothingToRestore = 'no previous release'

/** @throws Failure with both reasons, where nothing is known to serve */
export async function restore(activation: Activation, cause: Cause): Promise<State> {
  const { world, facts } = activation
  const { previous, before } = facts
  const { journal } = world
  const detail = previous === null ? nothingToRestore : `restored ${previous.release}`
  journal.bestEffort()
  // Whoever resumes this activation must not go forward again.
  await journal.begin('rollback', detail, { cause: toRecord(cause), before })
  // First of all: whatever PM2 starts from now on is the previous release.
  const problem = previous === null ? null : await pointBack(activation, previous)
  const failure = await withEvidence(activation, cause)
  try {
    if (problem !== null) throw problem
    await tellWorkers(activation, 'restore').catch(() => undefined)
    if (previous === null) {
      await journal.done('rollback', await stopForGood(activation))
      return { at: 'ended', as: 'down', cause: failure }
    }
    await restoreUnderAnyDaemon(activation, previous)
    await journal.done('rollback', detail)
    return { at: 'ended', as: 'restored', cause: failure }
  } catch (error) {
    const { message } = world.toFailure(error)
    await journal.failed('rollback', message)
    throw failure.reworded(`${failure.message} Then: ${message}`, {
      remedy: texts['restore-failed'].remedy,
    })
  }
}

/** @returns why it could not; null where it did */
async function pointBack({ world }: Activation, { release }: Goal): Promise<unknown> {
  // A launcher that cannot be repaired is no reason to stay with a release that fails.
  const launcher = await world.repairLauncher(release).catch((error: unknown) => (error as Error).message)
  const problem = await world.point(release).then(
    () => null,
    (error: unknown) => error,
  )
  if (launcher !== null) await world.journal.note('rollback', launcher)
  return problem
}

/**
 * Restores the workers, and tries once more where PM2 was the problem: its daemon died, did not answer for a while, or
 * refused because it was starting a worker itself.
 */
async function restoreUnderAnyDaemon(activation: Activation, previous: Goal): Promise<void> {
  const { world } = activation
  const daemon = await world.daemon()
  await restoreWorkers(activation, previous).catch(async (error: unknown) => {
    if (world.toFailure(error).code !== 'pm2-failed' && (await world.daemon()) === daemon) throw error
    return restoreWorkers(activation, previous)
  })
}

/**
 * Beside old workers that stay, the failed release's are restarted: whatever state they are in, they are out of the
 * way at once. It takes their drain, and where the old workers cannot stay as long nobody would serve at its end. A
 * release that answers, such as one whose `post-activate` failed after minutes, then serves until a reload has put
 * the old one in its place.
 */
async function restoreWorkers(activation: Activation, previous: Goal): Promise<void> {
  const { world, job, facts } = activation
  const { target, times } = facts
  const { release, runtime } = previous
  // The failed release may have served for a moment, although it was never shown to.
  await world.journal.note('swap', await world.linkOldStatic(release, [target.release]))
  const app = pm2App(job.base, job.appName, previous, times)
  const { options } = app
  const leaving = { check: runtime.health, drainMs: times.drain }
  const instances = world.instancesOf(runtime)
  const seen = await world.look({})
  const processes = seen.listed.map(({ process }) => process)

  const reload = async () => {
    await tellWorkers(activation, 'make-room').catch(() => undefined)
    const together = mayRunTogether(processes, instances, await world.freeMemory())
    const limitMs = times.heal
    await serve(activation, { app, release, instances, together, limitMs, moment: 'make-room' })
  }
  const left = othersStay(seen, activation, previous)
  let recovered = false
  if (left > 0 && (left >= times.heal || !(await stillServes(activation)))) {
    const decide = toRestore({ release, options, instances, failed: target.release, leaving })
    const { seen: after } = await converge(world, decide, { limitMs: times.heal })
    recovered = after.listed.length > 0
  }
  if (!recovered) await reload()
  // PM2 itself may have started a worker once more, under the failed release's options.
  if (!(await world.list()).every((process) => runsUnder(process, options))) await reload()

  const { timeoutMs, intervalMs } = runtime.health
  const ask = { health: previous }
  await converge(world, toBecomeHealthy({ release, address: formatAddress(runtime) }, instances), {
    limitMs: timeoutMs,
    pauseMs: intervalMs,
    ask,
  })
  await converge(world, toScaleDown(release, instances, leaving), { limitMs: DOORS_CLOSE })
}

/** How long workers of a release other than the failed one take traffic, in ms; 0 where none does. */
function othersStay(seen: Seen, { world, facts: { target } }: Activation, previous: Goal): number {
  const itself = previous.release === target.release
  const others = recordsIn(seen).filter(
    ({ phase, release }) => phase === 'open' && (itself || release !== target.release),
  )
  const now = world.sinceBoot()
  return Math.max(0, ...others.map(({ leavesAt }) => (leavesAt === null ? Infinity : leavesAt - now)))
}

/** Whether any worker of the failed release would serve on. */
async function stillServes({ world, facts: { target } }: Activation): Promise<boolean> {
  const { listed, answers } = await world.look({ health: target })
  return listed.some(
    (worker) => serves(worker, target.release) && answers.get(worker.process.pid)?.healthy === true,
  )
}

/** A first deploy has nothing to restore, unless it replaced what somebody else made. @returns what was done */
async function stopForGood(activation: Activation): Promise<string> {
  const { world, facts } = activation
  const { replaced, before, target } = facts
  const foreign = replaced.processes
  // Whatever keeps the failed release's workers, what was there before comes back as soon as they make room.
  const stopped = await stopWorkers(activation, foreign.length === 0).then(
    () => null,
    (error: unknown) => error,
  )
  if (stopped !== null && foreign.length === 0) throw stopped
  // What is put back replaces the link in one step.
  if (before.current !== target.release && replaced.current === null) await world.unlink()
  if (replacesNothing(replaced)) return `${nothingToRestore}: the app is stopped`
  if (foreign.length > 0) {
    for (const { id, pid } of await world.list()) {
      world.act({ do: 'remove', id, pid }).catch(() => undefined)
    }
  }
  return `${nothingToRestore}: ${await world.putBack(replaced)}`
}

async function stopWorkers(activation: Activation, drained: boolean): Promise<void> {
  const { app, target, times } = activation.facts
  await tellWorkers(activation, 'stop')
  // Connections that stay hold a worker until the end of its drain.
  await converge(activation.world, toStop(drained, { check: target.runtime.health, drainMs: times.drain }), {
    limitMs: app.options.kill_timeout,
  })
}

async function withEvidence({ world }: Activation, cause: Cause): Promise<Failure> {
  const failure = cause instanceof Failure ? cause : Failure.revive(cause)
  const parts = [failure.evidence ?? '', await world.evidence()]
  const evidence = parts.filter((part) => part !== '').join('\n')
  return failure.reworded(failure.message, { evidence })
}
