/**
 * The activation: from the swap to the verdict, and back if need be. It runs detached from the SSH session, so
 * that it ends in a verdict whatever happens to the runner; the runner only reads the journal.
 */
import { rm } from 'node:fs/promises'
import { Failure } from '../../protocol/failure.ts'
import type { Verdict } from '../../protocol/messages.ts'
import { activationFile } from '../../server/activation-file.ts'
import { openJournal } from '../journal.ts'
import { layoutOf } from '../layout.ts'
import { takeLock } from '../lock.ts'
import { writeOwner } from '../owner.ts'
import { connectPm2, type Pm2 } from '../pm2.ts'
import { liveRelease } from '../releases.ts'
import { activate } from './activate.ts'
import { beginActivation } from './context.ts'
import { activationFiles, type Job, removeFiles } from './job.ts'

export async function runActivation(job: Job): Promise<Verdict> {
  const layout = layoutOf(job.base)
  const { run, lockTimeoutMs, activation } = job.request
  const files = activationFiles(layout, activation)
  await writeOwner(files.owner)
  const journal = openJournal(layout.journal, activation)
  let pm2: Pm2 | undefined
  let verdict: Verdict
  try {
    await journal.begin('lock', 'waiting for the lock')
    const lock = await takeLock(layout.lock, run.runUrl || activation, lockTimeoutMs, (holder) => {
      void journal.note('lock', `waiting for ${holder}`)
    })
    await journal.done('lock', 'locked')
    try {
      pm2 = await connectPm2({ path: job.pm2Path, version: job.pm2Version }, job.pm2Home)
      verdict = await activate(await beginActivation(job, journal, pm2))
    } finally {
      await rm(activationFile(layout.base), { force: true })
      await lock.release()
    }
  } catch (error) {
    const live = await liveRelease(layout).catch(() => null)
    verdict = { status: 'kept', live, failure: Failure.from(error).toRecord(), workers: [] }
  }
  pm2?.close()
  await journal.verdict(verdict)
  await removeFiles(files)
  return verdict
}
