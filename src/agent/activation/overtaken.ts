/** A queued run that comes late must not silently replace the release of a later one. */
import { Failure } from '../../protocol/failure.ts'
import type { ReleaseInfo, RunInfo, Verdict } from '../../protocol/messages.ts'
import { activatedAt } from '../releases.ts'
import type { Activation } from './context.ts'
import { listWorkers, servedRelease, toStates } from './fleet.ts'

/**
 * @param live the release that is live; null where there is none, or nothing is known of it
 * @throws Failure `overtaken` when it came from a later run of the same workflow and branch
 */
export function assertNotOvertaken(run: RunInfo, live: ReleaseInfo | null): void {
  const comparable =
    live !== null && run.runNumber > 0 && run.workflow !== '' && live.workflow === run.workflow
  if (!comparable || live.ref !== run.ref || live.runNumber <= run.runNumber) return
  // Somebody asked for this run once more: that is no accident.
  if (run.runAttempt > 1) return
  throw new Failure(
    'overtaken',
    `run ${run.runNumber} of ${run.workflow} came late: ${live.id} of the later run ${live.runNumber} is live already`,
    {
      remedy:
        'Nothing needs to be done. To go back on purpose, use `command: rollback`, or run this one again by hand.',
    },
  )
}

/**
 * Another deploy went its whole way before this activation had the lock, or before it was resumed: its release stays.
 * @returns the verdict where this activation has nothing to do any more, else null
 * @throws Failure `overtaken` where nothing was touched yet, and somebody waits for the release
 */
export async function yieldToNewer(activation: Activation): Promise<Verdict | null> {
  const { job, live, succeeded, takenUp } = activation
  const { kind, replaces } = job.request
  if (succeeded) {
    const failure = new Failure(
      'overtaken',
      `another deploy came after this one was interrupted: ${live} is live`,
      {
        remedy: 'Nothing needs to be done. Run this one again if its release is the one that should be live.',
      },
    )
    return leaveAsIs(activation, failure)
  }
  if (replaces === null || replaces === live || takenUp) return null
  if (kind === 'restore') {
    const message = `${live ?? 'No release'} replaced ${replaces} before it could be taken back.`
    return leaveAsIs(activation, new Failure('overtaken', message))
  }
  throw new Failure('overtaken', `${live ?? 'No release'} replaced ${replaces} before the ${kind} began.`, {
    remedy: `Run the ${kind} again if "${live}" is not the release that should be live.`,
  })
}

async function leaveAsIs(activation: Activation, failure: Failure): Promise<Verdict> {
  const { layout, live } = activation
  const workers = await listWorkers(activation).catch(() => [])
  const served = servedRelease(workers)
  const verified = served !== null && (await activatedAt(layout, served).catch(() => null)) !== null
  const status = served === live && verified ? 'restored' : 'down'
  return {
    status,
    live: served,
    previous: live,
    rollsBackTo: null,
    failure: failure.toRecord(),
    workers: toStates(workers),
  }
}
