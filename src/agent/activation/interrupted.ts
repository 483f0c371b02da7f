/** Finds an activation that swapped and has no verdict: its process died, or the whole server. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { ActivationRequest } from '../../protocol/messages.ts'
import { exists } from '../system/files.ts'
import { readJournal } from './journal.ts'
import type { Layout } from '../store/layout.ts'
import { ownerLives } from '../system/owner.ts'
import { activatedAt, liveRelease } from '../store/releases.ts'
import { activationFiles, readJob } from './job.ts'
import { interruptedIn, lastThatTouched } from './state.ts'

/** @returns its id, or null. Only the last that swapped matters: a later one has settled what it left. */
export async function interruptedActivation(layout: Layout): Promise<string | null> {
  const entries = await readJournal(layout.journal)
  const activation =
    lastThatTouched(entries) === null ? await lostFromJournal(layout) : interruptedIn(entries)
  if (activation === null) return null
  const { job, owner } = activationFiles(layout, activation)
  return ownerLives(owner) !== true && (await exists(job)) ? activation : null
}

/** Somebody emptied the journal: what an activation left tells of it, where its release is live and was never verified. */
async function lostFromJournal(layout: Layout): Promise<string | null> {
  const live = await liveRelease(layout)
  if (live === null || (await activatedAt(layout, live).catch(() => null)) !== null) return null
  for (const name of await readdir(layout.activations).catch(() => [])) {
    if (!name.endsWith('.json')) continue
    const job = await readJob(join(layout.activations, name))
    if (job?.request.release === live) return job.request.activation
  }
  return null
}

/** Whether somebody emptied the journal after this activation had swapped. The release of a deploy is no other's. */
export async function isLost(layout: Layout, { kind, release }: ActivationRequest): Promise<boolean> {
  if (kind !== 'deploy' || (await liveRelease(layout)) !== release) return false
  return (await activatedAt(layout, release).catch(() => null)) === null
}
