/**
 * The activation: from the swap to the verdict, and back if need be. It runs detached from the SSH session, so
 * that it ends in a verdict whatever happens to the runner; the runner only reads the journal.
 */
import { rm } from 'node:fs/promises'
import type { Verdict } from '../../protocol/messages.ts'
import { activationFile } from '../../server/activation-file.ts'
import { dropBallast, takeBallast } from '../ballast.ts'
import { exists } from '../files.ts'
import { type Journal, openJournal } from '../journal.ts'
import { type Layout, layoutOf } from '../layout.ts'
import { takeLock } from '../lock.ts'
import { writeOwner } from '../owner.ts'
import { connectPm2 } from '../pm2.ts'
import { dropPreparedLinks, liveRelease } from '../releases.ts'
import { troubleOf } from '../trouble.ts'
import { activate } from './activate.ts'
import { beginActivation } from './context.ts'
import { verdictOf } from './interrupted.ts'
import { activationFiles, type Job, removeFiles } from './job.ts'

export async function runActivation(job: Job): Promise<Verdict> {
  const layout = layoutOf(job.base)
  const { activation } = job.request
  const files = activationFiles(layout, activation)
  await writeOwner(files.owner)
  const journal = openJournal(layout.journal, activation, () => dropBallast(files.ballast))
  let verdict: Verdict
  try {
    await takeBallast(files.ballast)
    verdict = await underLock(job, layout, journal)
  } catch (error) {
    const live = await liveRelease(layout).catch(() => null)
    verdict = { status: 'kept', live, previous: live, failure: troubleOf(error).toRecord(), workers: [] }
  }
  await journal.verdict(verdict)
  await removeFiles(files)
  return verdict
}

async function underLock(job: Job, layout: Layout, journal: Journal): Promise<Verdict> {
  const { run, lockTimeoutMs, activation } = job.request
  const { withdrawn } = activationFiles(layout, activation)
  await journal.begin('lock', 'waiting for the lock')
  const lock = await takeLock(layout.lock, run.runUrl || activation, lockTimeoutMs, {
    onWait: (holder) => void journal.note('lock', `waiting for ${holder}`),
    giveUp: () => exists(withdrawn),
  })
  try {
    await journal.done('lock', 'locked')
    // Two sessions may have taken up the same one whose process had died.
    const settled = await verdictOf(layout, activation)
    if (settled !== null) return settled
    const pm2 = await connectPm2({ path: job.pm2Path, version: job.pm2Version }, job.pm2Home)
    try {
      return await activate(await beginActivation(job, journal, pm2))
    } finally {
      pm2.close()
    }
  } finally {
    // None of it may turn a verdict into another: a lock whose process has ended is void by itself.
    await rm(activationFile(layout.base), { force: true }).catch(console.error)
    await dropPreparedLinks(layout).catch(console.error)
    await lock.release().catch(console.error)
  }
}
