/** Which of several hosts took longest, and in which phase. */
import { formatDuration } from '../common/format.ts'
import type { Row } from '../pipeline.ts'

/** Smaller differences are chance. In ms. */
const NOTABLE = 1000

/** Returns a sentence without its full stop; empty for a single host. */
export function slowestHost(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap(({ host }) => host ?? []))]
  if (names.length < 2) return ''
  const totals = names.map((name) => ({ name, ms: timeOf(rows, name) })).toSorted((a, b) => a.ms - b.ms)
  const [fastest, slowest] = [totals[0]!, totals.at(-1)!]
  const took = `${slowest.name} took ${formatDuration(slowest.ms)}`
  const behind = slowest.ms - fastest.ms
  if (behind < NOTABLE) return `${took}; every other host took nearly as long`
  const losses = [...new Set(rows.map(({ phase }) => phase))].map((phase) => {
    const [slow, fast] = [timeOf(rows, slowest.name, phase), timeOf(rows, fastest.name, phase)]
    return { phase, slow, fast, lost: slow - fast }
  })
  const { phase, slow, fast } = losses.toSorted((a, b) => a.lost - b.lost).at(-1)!
  return (
    `${took}, ${formatDuration(behind)} more than ${fastest.name}, ` +
    `mostly in ${phase} (${formatDuration(slow)} against ${formatDuration(fast)})`
  )
}

function timeOf(rows: readonly Row[], name: string, phase?: Row['phase']): number {
  return rows
    .filter((row) => row.host === name && (phase === undefined || row.phase === phase))
    .reduce((sum, { durationMs }) => sum + durationMs, 0)
}
