/**
 * The activation: from the swap to the verdict, and back if need be. It runs detached from the SSH session, so
 * that it ends in a verdict whatever happens to the runner; the runner only reads the journal.
 */
import { rm } from 'node:fs/promises'
import { Failure } from '../../common/failure.ts'
import { keptVerdict, type Verdict } from '../../protocol/messages.ts'
import { activationFile, lastActivation } from '../../worker/activation-file.ts'
import { guardReserve, takeReserve, withReserve } from '../system/reserve.ts'
import { endOrphanedCandidates } from './candidates.ts'
import { exists } from '../system/files.ts'
import { type Journal, openJournal, readJournal } from './journal.ts'
import { type Layout, layoutOf } from '../store/layout.ts'
import { lockedFor, takeLock } from '../system/lock.ts'
import { writeOwner } from '../system/owner.ts'
import { connectPm2 } from '../pm2/client.ts'
import { takePort } from './port-lock.ts'
import { dropPreparedLinks } from '../store/releases.ts'
import { servingRelease } from '../pm2/serving.ts'
import { toFailure } from '../system/system-error.ts'
import { activate } from './activate.ts'
import { beginActivation } from './context.ts'
import { readGoal } from './goal.ts'
import { untilHooksEnded } from './hooks.ts'
import { hasSwapped, verdictIn } from './interrupted.ts'
import { activationFiles, type Job, removeFiles } from './job.ts'

export async function runActivation(job: Job): Promise<Verdict> {
  const layout = layoutOf(job.base)
  const { activation } = job.request
  const files = activationFiles(layout, activation)
  const room = <T>(act: () => Promise<T>) => withReserve(files.ballast, act)
  await room(() => writeOwner(files.owner))
  const journal = openJournal(layout.journal, activation, room)
  const hasTouched = async () => hasSwapped(await readJournal(layout.journal), activation)
  const touched = await hasTouched()
  const stopGuard = guardReserve(files.ballast)
  const progress: Progress = { begun: null, concluded: false }
  let verdict: Verdict
  try {
    // One that died after the swap goes on without: it has no choice, and may have used it up.
    await takeReserve(files.ballast).catch((error: unknown) => {
      if (!touched) throw error
    })
    verdict = await underLock(job, layout, journal, progress)
  } catch (error) {
    // Something live was touched, and this is no verdict about it: the next one that takes it up comes to one. Another
    // process that took it up as well may have got as far meanwhile, or be at work.
    const { begun, concluded } = progress
    if (concluded || (begun === null ? await hasTouched() : begun === 'touched')) throw error
    if ((await lockedFor(layout.lock)) === activation) throw error
    const live = await servingRelease(layout).catch(() => null)
    verdict = keptVerdict(live, toFailure(error).toRecord())
    await journal.verdict(verdict)
  } finally {
    stopGuard()
  }
  await removeFiles(files)
  return verdict
}

interface Progress {
  /** What it found under the lock: whether its first process, which died, had begun to touch what is live. */
  begun: 'touched' | 'untouched' | null
  /** There is a verdict, whether it could be written down or not. */
  concluded: boolean
}

async function underLock(job: Job, layout: Layout, journal: Journal, progress: Progress): Promise<Verdict> {
  const { run, lockTimeoutMs, activation } = job.request
  const { withdrawn } = activationFiles(layout, activation)
  await journal.begin('lock', 'waiting for the lock')
  const lock = await takeLock(layout.lock, run.runUrl || activation, lockTimeoutMs, {
    activation,
    onWait: (holder) => void journal.note('lock', `waiting for ${holder}`),
    giveUp: () => exists(withdrawn),
  })
  try {
    await journal.done('lock', 'locked')
    // Two sessions may have taken up the same one whose process had died.
    const entries = await readJournal(layout.journal)
    const settled = verdictIn(entries, activation)
    if (settled !== null) return settled
    progress.begun = hasSwapped(entries, activation) ? 'touched' : 'untouched'
    await untilHooksEnded(layout, {
      onWait: (of) => void journal.note('lock', `waiting for a hook of activation ${of}, whose process died`),
      giveUp: async () => progress.begun === 'untouched' && (await exists(withdrawn)),
    })
    // Its memory and its cores are needed for what comes.
    await endOrphanedCandidates(layout)
    const pm2 = await connectPm2({ path: job.pm2Path, version: job.pm2Version }, job.pm2Home)
    try {
      const { runtime } = await readGoal(layout, job.request.release)
      const takenUp = progress.begun === 'touched'
      // What PM2 runs may change while it waits for the port: the activation begins after that.
      const verdict = await withPort({ job, layout, journal, port: runtime.port, takenUp }, async () =>
        activate(await beginActivation(job, journal, entries, pm2)),
      )
      // Before the lock is given back: nobody may come between and find this one without an end.
      progress.concluded = true
      await journal.verdict(verdict)
      return verdict
    } finally {
      pm2.close()
    }
  } finally {
    // None of it may turn a verdict into another: a lock whose process has ended is void by itself.
    await dismiss(layout, activation).catch(console.error)
    await dropPreparedLinks(layout).catch(console.error)
    await lock.release().catch(console.error)
  }
}

interface Opening {
  readonly job: Job
  readonly layout: Layout
  readonly journal: Journal
  readonly port: number
  readonly takenUp: boolean
}

/** While nobody else opens the same port: see port-lock.ts. */
async function withPort<T>(
  { job, layout, journal, port, takenUp }: Opening,
  act: () => Promise<T>,
): Promise<T> {
  const { kind, run, lockTimeoutMs, activation } = job.request
  const { ballast, withdrawn } = activationFiles(layout, activation)
  const take = () =>
    takePort(job.pm2Home, port, run.runUrl || activation, takenUp ? 0 : lockTimeoutMs, {
      activation,
      onWait: (holder) =>
        void journal.note('lock', `waiting for port ${port}, which is being opened by ${holder}`),
      giveUp: () => exists(withdrawn),
    })
  const lock = await withReserve(ballast, take).catch((error: unknown) => {
    // After the swap there is no way out but forward or back.
    if (takenUp) return null
    // A disk that takes no lock must not keep a release away that has to come back.
    if (kind !== 'deploy' && !['locked', 'withdrawn'].includes(Failure.from(error).code)) return null
    throw error
  })
  try {
    return await act()
  } finally {
    await lock?.release().catch(console.error)
  }
}

/**
 * The old workers need not stay any more, unless they may be all that serves: after the swap, without a verdict or with
 * a bad one, they leave when their time is up, and PM2 may have brought something back by then.
 */
async function dismiss(layout: Layout, activation: string): Promise<void> {
  const entries = await readJournal(layout.journal)
  const verdict = verdictIn(entries, activation)
  if (verdict === null ? hasSwapped(entries, activation) : verdict.status === 'down') return
  if (lastActivation(layout.base)?.pid === process.pid) await rm(activationFile(layout.base), { force: true })
}
