/** How an activation ended: what is kept of it, and its verdict. */
import type { Verdict } from '../../protocol/messages.ts'
import { type Activation, bestEffort, toRecord } from './activation.ts'
import { servedRelease, type Worker } from './decide.ts'
import type { Cause, State } from './state.ts'
import { toStates } from './workers.ts'
import type { World } from './world.ts'

type Ending = 'live' | 'restored' | 'down'

/** From here on nothing takes the release back. Never throws. */
export async function conclude(activation: Activation, status: Ending, cause: Cause | null): Promise<State> {
  const { world, job, facts } = activation
  const { before, previous, target } = facts
  const { release } = target
  const { activation: id, kind, replaces } = job.request
  if (status === 'live') {
    const serving = { activation: id, kind, replaced: replaces ?? before.current }
    await bestEffort(world, world.markServing(release, serving), 'Could not mark the release as verified')
  }
  const wasLive = (await world.entries().catch(() => [])).some(
    ({ activation: of, probation }) => of === id && probation !== null,
  )
  if (status === 'restored' && wasLive && previous !== null) {
    const serving = { activation: id, kind: 'restore', replaced: release } as const
    await bestEffort(
      world,
      world.markServing(previous.release, serving),
      'Could not mark the release as left',
    )
  }
  if (status === 'live') {
    await bestEffort(world, world.savePm2(), 'PM2 could not save its process list for the next boot')
  }
  const workers = await listed(world)
  const live = { live: release, restored: previous?.release ?? null, down: servedRelease(workers) }[status]
  const rollsBackTo = status === 'live' ? await world.previousRelease(release).catch(() => null) : null
  return settled({
    status,
    live,
    previous: before.current,
    rollsBackTo,
    failure: cause && toRecord(cause),
    workers: toStates(workers),
    notFound: status === 'live' ? await world.notFound(release) : '',
    watch: null,
  })
}

/** The current release is another activation's: nothing is touched. */
export async function leaveAsIs(world: World, cause: Cause): Promise<State> {
  const current = await world.current()
  const workers = await listed(world)
  const served = servedRelease(workers)
  const verified = served !== null && (await world.isVerified(served))
  return settled({
    status: served === current && verified ? 'restored' : 'down',
    live: served,
    previous: current,
    rollsBackTo: null,
    failure: cause && toRecord(cause),
    workers: toStates(workers),
    notFound: '',
    watch: null,
  })
}

function listed(world: World): Promise<readonly Worker[]> {
  return world.look({}).then(
    (seen) => seen.listed,
    () => [],
  )
}

function settled(verdict: Verdict): State {
  // The journal is no place for counts that are long.
  const workers = verdict.workers.map((worker) => ({ ...worker, traffic: null }))
  return { at: 'settled', verdict: { ...verdict, workers }, known: false }
}
