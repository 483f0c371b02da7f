/**
 * Renders the job summary as Markdown: pure. The important parts come first and are never folded. No table is wider than a
 * phone, and nothing has a colour of its own.
 */
import { formatAge, formatBytes, formatDuration, joined, plural, withoutFullStop } from '../common/format.ts'
import { type HostOutcome, notSharing, type Outcome, wouldFail } from '../outcome.ts'
import { buildsCheckout, type Plan } from '../plan.ts'
import type { Row } from '../pipeline.ts'
import { stateOf } from '../protocol/history.ts'
import type { ReleaseInfo } from '../protocol/messages.ts'
import { releaseTime } from '../protocol/release-id.ts'
import { p95 } from '../protocol/traffic.ts'
import { renderOtherEvidence, renderOwnEvidence } from './evidence.ts'
import { bullets, code, escape, folded, link, on, prose, table, titled, verbatim } from './markdown.ts'
import { commitUrl, errorUrl, type Origin, originOf } from './origin.ts'
import { renderChecks } from './checks.ts'
import { renderDryRun } from './dry-run.ts'
import { type Command, sentence } from './sentence.ts'
import { slowestHost } from './slowest.ts'
import { asSentence } from './text.ts'
import { timeline } from './timeline.ts'

/** Of the journal, in characters. */
const LONGEST_ENTRY = 500
/** GitHub drops a summary over 1 MiB whole. In bytes. */
const LARGEST = 900_000

export interface Report {
  readonly title: string
  /** Undefined if the inputs could not be read. */
  readonly command: Command | undefined
  /** Null if the inputs could not be read. */
  readonly origin: Origin | null
  readonly outcome: Outcome
  /** The app's or the preview's public address. */
  readonly url: string | null
  /** What could not be recorded on GitHub; '' where nothing is missing. */
  readonly unrecorded: string
  readonly rows: readonly Row[]
  readonly durationMs: number
}

export function reportOf(
  plan: Plan | undefined,
  outcome: Outcome,
  rows: readonly Row[],
  durationMs: number,
  env: NodeJS.ProcessEnv,
): Report {
  const found = { outcome, rows, durationMs }
  if (plan === undefined)
    return { title: 'Gapless', command: undefined, origin: null, url: null, unrecorded: '', ...found }
  const { inputs, appName } = plan
  const { targets, run } = inputs
  const where = targets.length === 1 ? targets[0]!.host : plural(targets.length, 'host')
  return {
    title: `${inputs.command} ${appName} on ${where}`,
    command: inputs.command,
    origin: originOf(run, env),
    url: outcome.status === 'removed' ? null : inputs.publicUrl,
    unrecorded: '',
    ...found,
  }
}

/** @param taken bytes that other summaries of the step take */
export function renderSummary(report: Report, taken = 0): string {
  const { title, command, outcome, origin, rows } = report
  const { failure, hosts, succeeded } = outcome
  const looking = command === 'status'
  return fitting(LARGEST - taken, [
    `## ${mark(outcome)} ${escape(title)}`,
    `**${escape(sentence(outcome, command))}**`,
    failure === null ? '' : renderFailure(report, failure),
    hosts.length < 2 ? '' : table(['Host', 'Status', 'Serving'], hosts.map(hostRow)),
    renderFacts(report),
    ...hosts.flatMap((host) => [
      renderChecks(host),
      renderDryRun(host),
      renderServer(host),
      renderReleases(host, origin),
      renderWorkers(host, looking || !succeeded),
      renderTraffic(host),
      renderJournal(host),
    ]),
    looking ? '' : timeline(rows),
    rows.length === 0 ? '' : folded('What each phase did', renderPhases(rows), !succeeded),
    // Last: the evidence of a hundred hosts may not fit, and must not push out anything else.
    ...renderOtherEvidence(outcome, rows),
  ])
}

/** Leaves out the sections that do not fit. @param room in bytes */
function fitting(room: number, sections: readonly string[]): string {
  const kept: string[] = []
  let bytes = 0
  for (const section of sections.filter((text) => text !== '')) {
    const size = Buffer.byteLength(section) + 2
    if (bytes + size > room) continue
    bytes += size
    kept.push(section)
  }
  return `${kept.join('\n\n')}\n`
}

export function mark({ succeeded, status, hosts }: Outcome): string {
  if (hosts.some(({ dryRun }) => dryRun !== null && wouldFail(dryRun))) return '⚠️'
  if (succeeded) return '✅'
  return status === 'down' ? '🔴' : '⚠️'
}

function renderFailure(
  { origin }: Report,
  { code, message, remedy, evidence }: NonNullable<Outcome['failure']>,
): string {
  const name = link(`\`${escape(code)}\``, origin && errorUrl(origin, code))
  const what = `**What failed:** ${prose(withoutFullStop(message))} (${name}).`
  const next = remedy === undefined ? '' : `**What to do:** ${prose(asSentence(remedy))}`
  return joined([what, next, renderOwnEvidence(evidence)], '\n\n')
}

function renderFacts(report: Report): string {
  const { command, outcome, origin, rows, durationMs } = report
  const { succeeded, release, previousRelease, rollsBackTo, liveRelease, status } = outcome
  const moved =
    previousRelease !== null && release !== null && previousRelease !== release && release === liveRelease
  const named = (id: string | null) => renderRelease(id, report)
  const canRollBack = succeeded && status === 'live' && rollsBackTo !== null
  return bullets([
    ['Address', report.url === null ? '' : renderUrl(report.url)],
    ['Status', succeeded ? '' : code(status)],
    ['Release', [...(moved ? [previousRelease] : []), release].map(named).join(' → ')],
    ['Live', liveRelease === release ? '' : named(liveRelease)],
    // A release has its commit beside it.
    ['Commit', release !== null || !isBuilt(command) ? '' : renderSource(origin, origin)],
    ['Run', origin === null ? '' : renderRun(origin)],
    ['Sent', renderSent(outcome)],
    ['Checked', prose(checks(rows).join('; '))],
    ['Caches', prose(notSharing(outcome.hosts.flatMap(({ workers }) => workers)).join('; '))],
    ...previewFacts(report),
    ['GitHub', prose(report.unrecorded)],
    ['Took', formatDuration(durationMs)],
    ['Slowest host', escape(slowestHost(rows))],
    [
      'To promote',
      status === 'staged' ? `run with \`command: promote\` and \`release: ${escape(release ?? '')}\`` : '',
    ],
    [
      'To roll back',
      canRollBack ? `run with \`command: rollback\` and \`release: ${escape(rollsBackTo)}\`` : '',
    ],
  ])
}

function isBuilt(command: Command | undefined): boolean {
  return command !== undefined && buildsCheckout({ command })
}

function previewFacts({ command, outcome: { preview, succeeded } }: Report): Parameters<typeof bullets>[0] {
  if (preview === null) return []
  const isThere = succeeded && command === 'preview'
  return [
    ['Proxy', prose(preview.unreachable.join(' '))],
    ['User', isThere && preview.sharesUser ? prose(SHARES_USER) : ''],
    ['Other previews', prose(preview.removed.join('; '))],
    ['To remove', isThere ? 'run with `command: preview-remove` and the same `preview`' : ''],
  ]
}

const SHARES_USER =
  'The preview runs as the user of the app, so code of this branch can read the secrets of the app. ' +
  'Give previews a user of their own: see "Previews" in docs/recipes.md.'

/** The parser of `url` has encoded whatever Markdown would read. */
export function renderUrl(url: string): string {
  return link(escape(url), /^[\w:/.~%?=&+-]+$/.test(url) ? url : null)
}

/** Renders a release with its commit and its actor, as far as they are known. */
function renderRelease(id: string | null, { command, outcome, origin }: Report): string {
  if (id === null) return ''
  const isNew = isBuilt(command) && id === outcome.release
  const source = renderSource(isNew ? origin : outcome.infos.find((info) => info.id === id), origin)
  return source === '' ? code(id) : `${code(id)} (${source})`
}

function renderSource(
  source: Pick<ReleaseInfo, 'commit' | 'actor'> | null | undefined,
  origin: Origin | null,
): string {
  const { commit = '', actor = '' } = source ?? {}
  return joined([renderCommit(commit, origin), byActor(actor)])
}

export function renderCommit(commit: string, origin: Origin | null): string {
  return commit === '' ? '' : link(code(commit.slice(0, 7)), origin && commitUrl(origin, commit))
}

function renderRun({ actor, runUrl, runNumber }: Origin): string {
  const run = runUrl === null ? '' : link(runNumber === 0 ? 'this run' : `#${runNumber}`, runUrl)
  return joined([run, byActor(actor)])
}

function byActor(actor: string): string {
  return actor === '' ? '' : `by ${escape(actor)}`
}

export function renderSent({ sent, uploadedBytes }: Outcome): string {
  if (sent === null) return ''
  const { files, bytes, ofFiles, ofBytes } = sent
  const share = ofBytes === 0 ? 0 : (100 * bytes) / ofBytes
  return files === 0
    ? `nothing: the server already had all ${plural(ofFiles, 'file')}`
    : `${files} of ${plural(ofFiles, 'file')}, ${percent(share)} of ${formatBytes(ofBytes)} (${formatBytes(uploadedBytes)} compressed)`
}

function percent(share: number): string {
  if (share > 0 && share < 0.1) return 'less than 0.1%'
  return `${share < 10 ? share.toFixed(1) : Math.round(share)}%`
}

/** Counts the hosts on which a check passed, and adds the runner's own checks. */
function checks(rows: readonly Row[]): readonly string[] {
  const made = rows.filter(
    ({ phase, state }) => state === 'ok' && (phase === 'verify' || phase === 'health-check'),
  )
  if (made.every(({ host }) => host === null)) return made.map(({ detail }) => detail)
  const hosts = (phase: Row['phase']) =>
    new Set(made.filter((row) => row.phase === phase).flatMap(({ host }) => host ?? [])).size
  const onHosts = (['verify', 'health-check'] as const)
    .filter((phase) => hosts(phase) > 0)
    .map((phase) => `${phase} on ${plural(hosts(phase), 'host')}`)
  return [...onHosts, ...made.filter(({ host }) => host === null).map(({ detail }) => detail)]
}

function hostRow({ name, status, live }: HostOutcome): readonly string[] {
  return [name ?? '', status, live ?? 'unknown']
}

function renderPhases(rows: readonly Row[]): string {
  const several = rows.some(({ host }) => host !== null)
  const cells = ({ phase, host, state, durationMs, detail }: Row) => {
    const icon = { ok: '✅', failed: '❌', skipped: '⏭️' }[state]
    const time = state === 'skipped' ? '' : formatDuration(durationMs)
    return [phase, ...(several ? [host ?? ''] : []), icon, time, { markdown: prose(detail) }]
  }
  return table(['Phase', ...(several ? ['Host'] : []), '', 'Time', 'What it did'], rows.map(cells))
}

const INTERRUPTED = 'a deploy, which the next deploy or rollback finishes or restores'

function renderServer({ name, server }: HostOutcome): string {
  if (server === null) return ''
  const { freeBytes, lock, interrupted } = server
  return titled(on('Server', name), [
    ['Disk', `${formatBytes(freeBytes)} free`],
    ['Lock', lock === null ? 'free' : `held by ${escape(lock)}`],
    ['Interrupted', interrupted === null ? '' : INTERRUPTED],
  ])
}

function renderJournal({ name, server }: HostOutcome): string {
  const lines = (server?.journal ?? []).map(({ time, step, state, detail, verdict }) =>
    joined([time, step ?? '', verdict?.status ?? state, detail.slice(0, LONGEST_ENTRY)]).replace(/\s+/g, ' '),
  )
  return lines.length === 0 ? '' : folded(on('Journal', name), verbatim(lines.join('\n')))
}

function renderReleases({ name, releases, server }: HostOutcome, origin: Origin | null): string {
  if (releases.length === 0) return ''
  const rows = releases.map((release) => {
    const { id, info, bytes } = release
    const state = joined([stateOf(release, releases), age(id, server)], ', ')
    const { commit = '' } = info ?? {}
    const source = { markdown: link(escape(commit.slice(0, 7)), origin && commitUrl(origin, commit)) }
    return [id, state, info === null ? 'damaged' : source, formatBytes(bytes)]
  })
  return table([escape(on('Release', name)), 'State', 'Commit', 'Size'], rows)
}

function age(id: string, server: HostOutcome['server']): string {
  if (server === null) return ''
  const ms = Date.parse(server.now) - releaseTime(id).getTime()
  return Number.isNaN(ms) ? '' : formatAge(ms)
}

const WORKER_STATES: Readonly<Record<string, string>> = {
  booting: 'starting',
  proving: 'being checked',
  open: 'serving',
}

function renderWorkers({ name, workers }: HostOutcome, open: boolean): string {
  if (workers.length === 0) return ''
  const rows = workers.map(({ pid, status, release, phase, restarts, cache }) => [
    pid === 0 ? '–' : String(pid),
    status,
    release ?? '–',
    WORKER_STATES[phase ?? ''] ?? phase ?? '–',
    cache === null ? '–' : cache.shared ? 'shared' : 'its own',
    String(restarts),
  ])
  const list = table(['Process', 'PM2 status', 'Release', 'State', 'Cache', 'PM2 restarts'], rows)
  return folded(on(plural(workers.length, 'worker'), name), list, open)
}

/** Filled by `status` alone: see conclude.ts. */
function renderTraffic({ name, workers }: HostOutcome): string {
  const rows = workers.flatMap(({ pid, traffic }) => {
    if (traffic === null) return []
    const { answers, aborted, slowestMs } = traffic
    const [, good = 0, redirected = 0, refused = 0, failed = 0] = answers
    const times = `${formatDuration(p95(traffic) ?? 0)}, slowest ${formatDuration(slowestMs)}`
    return [[...[pid, good + redirected, refused, failed, aborted].map(String), times]]
  })
  if (rows.length === 0) return ''
  return table([escape(on('Process', name)), '2xx, 3xx', '4xx', '5xx', 'Aborted', '95% within'], rows)
}
