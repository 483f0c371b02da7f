/** From the swap to a release that is live: reload → health-check → post-activate. */
import { NEEDS_OTHERS } from '../../common/errors/activation.ts'
import { Failure } from '../../common/failure.ts'
import { formatDuration } from '../../common/format.ts'
import { formatAddress } from '../system/sockets.ts'
import { type Activation, bestEffort, hook, step } from './activation.ts'
import { converge } from './converge.ts'
import { recordsIn, toScaleDown, toStayHealthy, type Worker } from './decide.ts'
import { listOf } from './replaced.ts'
import { DOORS_CLOSE, serve } from './serve.ts'
import type { State } from './state.ts'
import { prepare, swap } from './swap.ts'

/** @throws where the release is not live: then the previous one has to be restored */
export async function goLive(activation: Activation): Promise<State> {
  const { world, facts } = activation
  const { target, resumed } = facts
  const { health, observeMs } = target.runtime
  if (resumed) {
    await prepare(activation)
    await swap(activation)
  }
  activation.during = 'reload'
  const workers = await step(activation, 'reload', describeReload(activation), () => reload(activation))
  activation.during = 'health-check'
  const observed = `${health.path}, observed for ${formatDuration(observeMs)}`
  await step(activation, 'health-check', observed, async () => {
    await stayHealthy(activation, workers, observeMs)
    // Whoever took no lock of ours may have come to the same port meanwhile.
    await world.assertNoOtherDoor(target.runtime)
    await hook(activation, 'post-activate')
    await standAlone(activation)
    await stayHealthy(activation, workers, 0).catch((error: unknown) => {
      const failure = Failure.from(error).inContext('after the previous release had stopped serving')
      throw failure.reworded(failure.message, { remedy: NEEDS_OTHERS })
    })
  })
  if (activation.job.request.watchMs > 0) return { at: 'watching', before: facts.before, probation: null }
  return { at: 'ended', as: 'live', cause: null }
}

/** Brings every worker to the target. What was started in another way is removed first: that is the gap. */
async function reload(activation: Activation): Promise<readonly Worker[]> {
  const { world, facts } = activation
  const { target, app, together, foreign, processes } = facts
  const { release, runtime } = target
  if (foreign > 0) for (const { id, pid } of processes) await world.act({ do: 'remove', id, pid })
  const limitMs = runtime.health.timeoutMs + runtime.observeMs
  const instances = world.instancesOf(runtime)
  return serve(activation, { app, release, instances, together, limitMs, moment: 'swap' })
}

/** Watches workers of the target for a time: the same processes, each healthy. */
export async function stayHealthy(
  { world, facts: { target } }: Activation,
  workers: readonly Worker[],
  observeMs: number,
): Promise<void> {
  const { release, runtime } = target
  const pids = workers.map(({ process: { pid } }) => pid)
  await converge(world, toStayHealthy({ release, address: formatAddress(runtime) }, pids, observeMs), {
    limitMs: Infinity,
    pauseMs: Math.min(runtime.health.intervalMs, 500),
    ask: { health: target },
  })
}

/** Lets the workers of other releases leave: from here on every answer is the new release's. */
async function standAlone({ world, facts: { target, times } }: Activation): Promise<void> {
  const { release, runtime } = target
  await bestEffort(world, world.notify(null), 'Could not tell the old workers to leave')
  const leaving = { check: runtime.health, drainMs: times.drain }
  const decide = toScaleDown(release, world.instancesOf(runtime), leaving)
  const scaled = converge(world, decide, { limitMs: DOORS_CLOSE })
  const alone = scaled.then(async ({ seen }) => {
    if (recordsIn(seen).some((record) => record.release !== release && record.phase === 'open')) {
      await world.journal.note('health-check', 'Workers of another release still take requests.')
    }
  })
  await bestEffort(world, alone, 'Could not remove surplus workers')
}

function describeReload({ world, facts }: Activation): string {
  const { target, foreign, processes, before, replaced, together, orphans } = facts
  const remarks = [`${world.instancesOf(target.runtime)} workers`]
  if (foreign > 0) {
    remarks.push(
      `started again, with a short gap: Gapless did not start ${foreign} of the ${processes.length} before`,
    )
    const { addresses } = replaced
    if (addresses.length > 0) remarks.push(`before, the app listened on ${listOf(addresses)}`)
  }
  if (orphans !== null) remarks.push(orphans)
  else if (processes.length === 0 && before.previous !== null)
    remarks.push('PM2 did not list the app any more')
  if (!together) remarks.push('one after the other, because memory is short')
  return remarks.join('; ')
}
