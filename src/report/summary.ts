/** The job summary as Markdown: pure. */
import { formatBytes, formatDuration, plural } from '../format.ts'
import type { HostOutcome, Outcome } from '../outcome.ts'
import type { Plan } from '../plan.ts'
import type { Row } from '../pipeline.ts'
import { type Command, sentence } from './sentence.ts'
import { visible } from './text.ts'

/** A summary over 1 MiB is dropped whole by GitHub; every text is cut well before. In characters. */
const LONGEST_EVIDENCE = 20_000
const LONGEST_TEXT = 2000

export interface Report {
  readonly title: string
  /** Undefined where not even the inputs could be read. */
  readonly command: Command | undefined
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
  if (plan === undefined) return { title: 'Gapless', command: undefined, outcome, rows, durationMs }
  const { inputs, appName, hosts } = plan
  const where = hosts.length === 1 ? hosts[0]!.host : plural(hosts.length, 'host')
  return {
    title: `${inputs.command} ${appName} on ${where}`,
    command: inputs.command,
    outcome,
    rows,
    durationMs,
  }
}

export function renderSummary({ title, command, outcome, rows, durationMs }: Report): string {
  const { failure, uploadedBytes, hosts } = outcome
  const sections = [
    `## ${mark(outcome)} ${escape(title)}`,
    escape(sentence(outcome, command)),
    failure === null ? '' : renderFailure(failure),
    hosts.length < 2 ? '' : table(['Host', 'Status', 'Live'], hosts.map(hostRow)),
    rows.length === 0 ? '' : renderPhases(rows),
    ...hosts.flatMap((host) => [renderReleases(host), renderWorkers(host)]),
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
  const seen = visible(evidence ?? '')
  if (seen.trim() === '') return why + next
  const shown = escapeHtml(seen.slice(-LONGEST_EVIDENCE))
  return `${why}${next}\n\n<details open><summary>Evidence</summary>\n\n<pre>${shown}</pre>\n\n</details>`
}

function hostRow({ name, status, live }: HostOutcome): readonly string[] {
  return [name ?? '', status, live ?? 'nothing that is known']
}

function renderPhases(rows: readonly Row[]): string {
  const several = rows.some(({ host }) => host !== null)
  const cells = ({ phase, host, state, durationMs, detail }: Row) => {
    const icon = { ok: '✅', failed: '❌', skipped: '⏭️' }[state]
    const time = state === 'skipped' ? '' : formatDuration(durationMs)
    return [phase, ...(several ? [host ?? ''] : []), icon, time, detail]
  }
  return table(['Phase', ...(several ? ['Host'] : []), '', 'Time', 'What it did'], rows.map(cells))
}

function renderReleases({ name, releases }: HostOutcome): string {
  if (releases.length === 0) return ''
  const rows = releases.map(({ id, live, activatedAt, info, bytes }) => [
    id,
    live ? 'live' : activatedAt === null ? 'never verified' : 'verified',
    info === null ? 'damaged' : info.commit.slice(0, 7),
    formatBytes(bytes),
  ])
  return table([on('Release', name), 'State', 'Commit', 'Size'], rows)
}

function renderWorkers({ name, workers }: HostOutcome): string {
  if (workers.length === 0) return ''
  const rows = workers.map(({ pmId, pid, status, release, phase, restarts }) => [
    pmId,
    String(pid),
    status,
    release ?? 'unknown',
    phase ?? 'unknown',
    String(restarts),
  ])
  return table([on('Worker', name), 'Process', 'PM2', 'Runs', 'Phase', 'PM2 ↺'], rows)
}

function on(what: string, host: string | null): string {
  return host === null ? what : `${what} on ${escape(host)}`
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
  const line = visible(text).trim().replace(/\s+/g, ' ')
  const shown = line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}…` : line
  return shown.replace(/[&<`*[\]\\~|$]|(?<!\w)_|_(?!\w)|^[#>+\-=]|^\d+(?=[.)](?: |$))/g, entities)
}

/** Text inside `<pre>`, where only HTML means something. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>]/g, entities)
}

function entities(characters: string): string {
  return characters.replace(/./gsu, (character) => `&#${character.codePointAt(0)};`)
}
