/** The evidence of failures, such as the last lines of a log, as Markdown. */
import type { Outcome } from '../outcome.ts'
import type { Row } from '../pipeline.ts'
import { folded, verbatim } from './markdown.ts'

/** In characters, of which each takes up to eight bytes. */
const LONGEST = 20_000
/** Of evidence that is not folded. */
const MOST_LINES = 30

/** Renders the evidence of the failure that ended the run; empty without evidence. */
export function renderOwnEvidence(evidence = ''): string {
  return render('Evidence', evidence, evidence.split('\n').length <= MOST_LINES)
}

/** Renders the evidence of the other hosts that failed, and of failures that did not end the run. */
export function renderOtherEvidence({ failure, hosts }: Outcome, rows: readonly Row[]): readonly string[] {
  const ofHosts = hosts.flatMap((host) => host.failure ?? [])
  const ofRows = rows.map(({ host, detail, evidence }) => ({
    message: host === null ? detail : `${host}: ${detail}`,
    evidence,
  }))
  const shown = new Set([failure?.evidence])
  return [...ofHosts, ...ofRows].flatMap(({ message, evidence }) => {
    // A failure that restored other hosts is their failure too.
    if (shown.has(evidence)) return []
    shown.add(evidence)
    return [render(`Evidence: ${message}`, evidence)]
  })
}

function render(title: string, evidence = '', open = false): string {
  const seen = evidence.slice(-LONGEST)
  return seen.trim() === '' ? '' : folded(title, verbatim(seen), open)
}
