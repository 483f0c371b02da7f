/** The job summary as Markdown: pure. */
import { formatBytes, formatDuration } from '../format.ts'
import type { Outcome } from '../outcome.ts'
import type { Plan } from '../plan.ts'
import type { Row } from '../pipeline.ts'
import { sentence } from './sentence.ts'

/** A summary over 1 MiB is dropped whole by GitHub; every text is cut well before. In characters. */
const LONGEST_EVIDENCE = 20_000
const LONGEST_TEXT = 2000

export interface Report {
  readonly title: string
  readonly outcome: Outcome
  readonly rows: readonly Row[]
  readonly durationMs: number
}

export function reportOf(
  plan: Plan | undefined,
  outcome: Outcome,
  rows: readonly Row[],
  durationMs: number,
): Report {
  const title = plan === undefined ? 'Gapless' : `${plan.inputs.command} ${plan.appName} on ${plan.host.host}`
  return { title, outcome, rows, durationMs }
}

export function renderSummary({ title, outcome, rows, durationMs }: Report): string {
  const { failure, uploadedBytes } = outcome
  const sections = [
    `## ${mark(outcome)} ${escape(title)}`,
    escape(sentence(outcome)),
    failure === null ? '' : renderFailure(failure),
    rows.length === 0 ? '' : table(['Phase', '', 'Time', 'What it did'], rows.map(phaseRow)),
    outcome.releases.length === 0 ? '' : renderReleases(outcome),
    outcome.workers.length === 0 ? '' : renderWorkers(outcome),
    `Took ${formatDuration(durationMs)}, sent ${formatBytes(uploadedBytes)}.`,
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function mark({ succeeded, status }: Outcome): string {
  if (succeeded) return '✅'
  return status === 'down' ? '🔴' : '⚠️'
}

function renderFailure({ code, message, remedy, evidence }: NonNullable<Outcome['failure']>): string {
  const why = `**${escape(message)}** (\`${escape(code)}\`)`
  const next = remedy === undefined ? '' : `\n\n${escape(remedy)}`
  if (evidence === undefined || evidence.trim() === '') return why + next
  const shown = escapeHtml(evidence.slice(-LONGEST_EVIDENCE))
  return `${why}${next}\n\n<details open><summary>Evidence</summary>\n\n<pre>${shown}</pre>\n\n</details>`
}

function phaseRow({ phase, state, durationMs, detail }: Row): readonly string[] {
  const icon = { ok: '✅', failed: '❌', skipped: '⏭️' }[state]
  return [phase, icon, state === 'skipped' ? '' : formatDuration(durationMs), detail]
}

function renderReleases({ releases }: Outcome): string {
  const rows = releases.map(({ id, live, activatedAt, info, bytes }) => [
    id,
    live ? 'live' : activatedAt === null ? 'never verified' : 'verified',
    info === null ? 'damaged' : info.commit.slice(0, 7),
    formatBytes(bytes),
  ])
  return table(['Release', 'State', 'Commit', 'Size'], rows)
}

function renderWorkers({ workers }: Outcome): string {
  const rows = workers.map(({ pmId, pid, status, release, phase, restarts }) => [
    pmId,
    String(pid),
    status,
    release ?? 'unknown',
    phase ?? 'unknown',
    String(restarts),
  ])
  return table(['Worker', 'Process', 'PM2', 'Runs', 'Phase', 'PM2 ↺'], rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map((cells) => line(cells.map(escape)))].join('\n')
}

/**
 * Text as one paragraph of Markdown: everything in a summary is data, neither HTML nor Markdown of an app or a
 * branch name gets through. Only what could mean something is escaped, so that the source reads well too.
 */
function escape(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ')
  const shown = line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}…` : line
  return shown.replace(/[&<`*[\]\\~|]|(?<!\w)_|_(?!\w)|^[#>+\-=]|^\d+(?=[.)](?: |$))/g, entities)
}

/** Text inside `<pre>`, where only HTML means something. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>]/g, entities)
}

function entities(characters: string): string {
  return characters.replace(/./gsu, (character) => `&#${character.codePointAt(0)};`)
}
