/** The release that a run is about to bring live, or to stage. */
import type { Known } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Host } from '../hosts/host.ts'
import { discard } from './discard.ts'

export interface Target extends Known {
  readonly kind: 'deploy' | 'rollback' | 'promote'
  readonly release: string
  /** The release that it must replace; null: whichever is current. */
  readonly replaces: string | null
  /** What lines about missing files mean for this app: one sentence to warn with. */
  readonly explain?: (log: string) => string | undefined
}

/**
 * Warns of files that only some pages read: a release can be healthy without them.
 * @param said the warning of an earlier phase
 */
export async function warnOfMissing(
  pipeline: Pipeline,
  { explain }: Target,
  phase: 'verify' | 'health-check',
  logs: readonly string[],
  said?: string,
): Promise<string | undefined> {
  const warning = explain?.(logs.join('\n'))
  if (warning === undefined || warning === said) return warning
  pipeline.log.warning(warning)
  return pipeline.run(phase, async () => ({ value: warning, detail: warning }))
}

/**
 * A new release that failed must not be a rollback's target. A staged one stays as long as nothing was swapped: what
 * failed may have been the database.
 * @param remove its files too
 */
export async function reject(
  hosts: readonly Host[],
  { kind, release }: Target,
  { swapped, remove }: { readonly swapped: boolean; readonly remove: boolean },
): Promise<void> {
  if (kind === 'deploy' || (kind === 'promote' && swapped)) await discard(hosts, release, remove)
}
