/** What was seen where something failed, as Markdown. */
import type { Outcome } from '../outcome.ts'
import type { Row } from '../pipeline.ts'
import { folded, verbatim } from './markdown.ts'

/** In characters, of which each takes up to eight bytes. */
const LONGEST = 20_000

/** @returns empty where there is none */
export function renderEvidence(title: string, evidence = ''): string {
  const seen = evidence.slice(-LONGEST)
  return seen.trim() === '' ? '' : folded(title, verbatim(seen))
}

/** What is not the run's own evidence: of the other hosts that failed, and of what failed and was no reason to end. */
export function renderOtherEvidence({ failure, hosts }: Outcome, rows: readonly Row[]): readonly string[] {
  const ofHosts = hosts.flatMap((host) => host.failure ?? [])
  const ofRows = rows.map(({ host, detail, evidence }) => ({
    message: host === null ? detail : `${host}: ${detail}`,
    evidence,
  }))
  const shown = new Set([failure?.evidence])
  return [...ofHosts, ...ofRows].flatMap(({ message, evidence }) => {
    // A failure that took other hosts back with it is theirs too.
    if (shown.has(evidence)) return []
    shown.add(evidence)
    return [renderEvidence(`Evidence: ${message}`, evidence)]
  })
}
