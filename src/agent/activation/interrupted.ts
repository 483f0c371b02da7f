/** Finds an activation that swapped and has no verdict: its process died, or the whole server. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from '../../protocol/guards.ts'
import type { JournalEntry, Verdict } from '../../protocol/messages.ts'
import { exists, readIfThere } from '../files.ts'
import { readJournal } from '../journal.ts'
import type { Layout } from '../layout.ts'
import { ownerLives } from '../owner.ts'
import { activatedAt, liveRelease } from '../releases.ts'
import { activationFiles, job as jobGuard } from './job.ts'

/** @returns its id, or null. Only the last that swapped matters: a later one has settled what it left. */
export async function interruptedActivation(layout: Layout): Promise<string | null> {
  const last = lastThatSwapped(await readJournal(layout.journal))
  const activation = last ?? (await lostFromJournal(layout))
  if (activation === null || (await verdictOf(layout, activation)) !== null) return null
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
    try {
      const { request } = parse(jobGuard, (await readIfThere(join(layout.activations, name))) ?? '', 'job')
      if (request.release === live) return request.activation
    } catch {
      // Cut off by a crash before it began.
    }
  }
  return null
}

/** Whether it has begun to touch what is live. */
export async function hasSwapped({ journal }: Layout, activation: string): Promise<boolean> {
  return (await readJournal(journal)).some((entry) => entry.activation === activation && isSwap(entry))
}

/** Whether another one has swapped after it: what is live now is that one's. */
export function wasSucceeded(entries: readonly JournalEntry[], activation: string): boolean {
  const swaps = entries.filter(isSwap).map((entry) => entry.activation)
  return swaps.includes(activation) && swaps.at(-1) !== activation
}

export async function verdictOf({ journal }: Layout, activation: string): Promise<Verdict | null> {
  const entries = await readJournal(journal)
  return entries.find((entry) => entry.activation === activation && entry.verdict !== null)?.verdict ?? null
}
