/** Finds an activation that swapped and has no verdict: its process died, or the whole server. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { JournalEntry, Verdict } from '../../protocol/messages.ts'
import { exists } from '../system/files.ts'
import { readJournal } from './journal.ts'
import type { Layout } from '../store/layout.ts'
import { ownerLives } from '../system/owner.ts'
import { activatedAt, liveRelease } from '../store/releases.ts'
import { activationFiles, readJob } from './job.ts'

/** @returns its id, or null. Only the last that swapped matters: a later one has settled what it left. */
export async function interruptedActivation(layout: Layout): Promise<string | null> {
  const entries = await readJournal(layout.journal)
  const activation = lastThatSwapped(entries) ?? (await lostFromJournal(layout))
  if (activation === null || verdictIn(entries, activation) !== null) return null
  const { job, owner } = activationFiles(layout, activation)
  return ownerLives(owner) !== true && (await exists(job)) ? activation : null
}

function lastThatSwapped(entries: readonly JournalEntry[]): string | null {
  return entries.findLast(isSwap)?.activation ?? null
}

function isSwap({ step, state }: JournalEntry): boolean {
  return step === 'swap' && state === 'begin'
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

/** Whether it has begun to touch what is live. */
export function hasSwapped(entries: readonly JournalEntry[], activation: string): boolean {
  return entries.some((entry) => entry.activation === activation && isSwap(entry))
}

/** Whether another one has swapped after it: what is live now is that one's. */
export function wasSucceeded(entries: readonly JournalEntry[], activation: string): boolean {
  return hasSwapped(entries, activation) && lastThatSwapped(entries) !== activation
}

export function verdictIn(entries: readonly JournalEntry[], activation: string): Verdict | null {
  return entries.find((entry) => entry.activation === activation && entry.verdict !== null)?.verdict ?? null
}
