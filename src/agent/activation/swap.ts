/** Everything up to the swap, and the swap itself. */
import { failure } from '../../common/errors/activation.ts'
import { assertMayMove } from '../pm2/port.ts'
import { withdrawn } from '../system/lock.ts'
import type { Pm2Process } from '../pm2/client.ts'
import { type Activation, hook, tellWorkers } from './activation.ts'
import { gatherFacts } from './facts.ts'
import type { Replaced } from './replaced.ts'
import { untilReplaced } from './serve.ts'
import type { State } from './state.ts'

/** @throws only while nothing live has been touched, unless the rename itself fails */
export async function prepareAndSwap(activation: Activation): Promise<State> {
  const { world, facts, job } = activation
  const { before } = facts
  const { kind, replaces } = job.request
  if (replaces !== null && replaces !== before.current) {
    const current = before.current ?? 'No release'
    const cause = failure('overtaken: replaced', { current, replaces, kind })
    if (kind === 'restore') return { at: 'superseded', before, cause }
    throw cause
  }
  await prepare(activation)
  const moved = await moveNode(activation)
  await swap(activation).catch(async (error: unknown) => {
    // Nobody watches workers that have outlived their daemon: what ran before comes back under the new one.
    if (moved.length > 0) await world.putBack({ ...NOTHING, processes: moved }).catch(() => undefined)
    throw error
  })
  return { at: 'swapped', before }
}

const NOTHING: Replaced = { current: null, processes: [], besideOurs: false, addresses: [] }

/** @returns the app's processes that PM2 does not run any more */
async function moveNode(activation: Activation): Promise<readonly Pm2Process[]> {
  const { world, job, facts } = activation
  // A preview touches nothing of the app, and what a rollback goes to was built for the Node that ran then.
  if (job.request.kind !== 'deploy' || facts.target.runtime.socket) return []
  const moved = await world.moveNode()
  if (moved === null) return []
  await world.journal.note('swap', moved)
  activation.facts = { ...(await gatherFacts(world, job, { at: 'prepared' })), orphans: moved }
  return facts.processes
}

/** All that can be done beforehand: from the swap on every second counts, and the disk may be full. */
export async function prepare(activation: Activation): Promise<void> {
  const { world, job, facts } = activation
  const { target, previous, before, resumed, processes, foreign, replaced, orphans } = facts
  const { release, runtime } = target
  const { kind, said } = job.request
  if (!resumed) {
    await assertWanted(activation)
    if (kind === 'deploy' && before.current !== null && before.current !== release) {
      await world.assertNotOvertaken(before.current)
    }
  }
  // A release that has swapped may listen there already.
  await world.assertClaims(runtime, resumed ? null : said)
  const serving = (processes.length > 0 || orphans !== null) && foreign === 0
  if (serving && previous !== null && !resumed) assertMayMove(previous.runtime, runtime)
  await hook(activation, 'pre-activate')
  await world.journal.note('swap', await world.linkOldStatic(release, []))
  await world.preparePoint(release)
  if (previous !== null && previous.release !== release) await world.preparePoint(previous.release)
  if (!resumed) {
    // Workers that stay for an activation that died need not any more: PM2 has long done what that had asked for.
    await world.notify(null)
    await untilReplaced(activation)
  }
  if (replaced.current !== null) {
    await world.journal.note('swap', `current points at "${replaced.current}", which Gapless did not deploy`)
  }
  await tellWorkers(activation, 'swap')
}

export async function swap(activation: Activation): Promise<void> {
  const { world, facts } = activation
  const { target, before, resumed, replaced } = facts
  const { journal } = world
  if (!resumed) await assertWanted(activation)
  await verifyLauncher(activation)
  await world.writeReplaced(replaced)
  try {
    // Whoever resumes this activation cannot read from `current` any more what it was.
    await journal.begin('swap', describeSwap(activation), { before })
    // The rename of the link is the one moment that counts: before it nothing live has changed.
    await world.point(target.release)
  } catch (error) {
    await journal.failed('swap', (error as Error).message).catch(() => undefined)
    const untouched = !resumed && (await world.current().catch(() => before.current)) === before.current
    if (untouched) await world.forgetReplaced().catch(() => undefined)
    throw error
  }
  journal.bestEffort()
  await journal.done('swap', describeSwap(activation))
}

/** @throws Failure `withdrawn` when the run was cancelled */
async function assertWanted({ world }: Activation): Promise<void> {
  if (await world.isWithdrawn()) throw withdrawn()
}

/** What has to come back, or has swapped already, is repaired where it can be. @throws Failure `release-damaged` */
async function verifyLauncher({ world, job, facts }: Activation): Promise<void> {
  const { release } = facts.target
  if (job.request.kind !== 'restore' && !facts.resumed) return world.assertLauncher(release)
  const repaired = await world.repairLauncher(release)
  if (repaired !== null) await world.journal.note('swap', repaired)
}

function describeSwap({ facts: { target, replaced, lived } }: Activation): string {
  const detail = [`current -> releases/${target.release}`, ...(lived === null ? [] : [lived])].join('; ')
  return replaced.current === null
    ? detail
    : `${detail}; it replaces current -> ${replaced.current}, which is put back if this deploy fails`
}
