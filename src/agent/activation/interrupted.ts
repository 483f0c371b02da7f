/** Finds an activation that swapped and has no verdict: its process died, or the whole server. */
import type { JournalEntry, Verdict } from '../../protocol/messages.ts'
import { exists } from '../files.ts'
import { readJournal } from '../journal.ts'
import type { Layout } from '../layout.ts'
import { ownerLives } from '../owner.ts'
import { activationFiles } from './job.ts'

/** @returns its id, or null. Only the last that swapped matters: a later one has settled what it left. */
export async function interruptedActivation(layout: Layout): Promise<string | null> {
  const activation = lastThatSwapped(await readJournal(layout.journal))
  if (activation === undefined || (await verdictOf(layout, activation)) !== null) return null
  const { job, owner } = activationFiles(layout, activation)
  return ownerLives(owner) !== true && (await exists(job)) ? activation : null
}

function lastThatSwapped(entries: readonly JournalEntry[]): string | undefined {
  const swaps = entries.filter(({ step, state }) => step === 'swap' && state === 'begin')
  return swaps.at(-1)?.activation
}

export async function verdictOf({ journal }: Layout, activation: string): Promise<Verdict | null> {
  const entries = await readJournal(journal)
  return entries.find((entry) => entry.activation === activation && entry.verdict !== null)?.verdict ?? null
}
