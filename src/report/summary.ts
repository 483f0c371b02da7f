/**
 * The job summary as Markdown: pure. What matters comes first and is never folded; no table is wider than a phone,
 * and nothing has a colour of its own.
 */
import { formatAge, formatBytes, formatDuration, plural } from '../common/format.ts'
import { type HostOutcome, notSharing, type Outcome, wouldFail } from '../outcome.ts'
import type { Plan } from '../plan.ts'
import type { Row } from '../pipeline.ts'
import { stateOf } from '../protocol/history.ts'
import type { ReleaseInfo } from '../protocol/messages.ts'
import { renderEvidence, renderOtherEvidence } from './evidence.ts'
import { bullets, code, escape, folded, link, on, table, titled, verbatim } from './markdown.ts'
import { commitUrl, errorUrl, type Origin, originOf } from './origin.ts'
import { renderRehearsal } from './rehearsal.ts'
import { type Command, sentence } from './sentence.ts'
import { slowestHost } from './slowest.ts'
import { timeline } from './timeline.ts'

/** Of the journal, in characters. */
const LONGEST_ENTRY = 500
/** A summary over 1 MiB is dropped whole by GitHub. In bytes. */
const LARGEST = 900_000

export interface Report {
  readonly title: string
  /** Undefined where not even the inputs could be read. */
  readonly command: Command | undefined
  /** Null where not even the inputs could be read. */
  readonly origin: Origin | null
  readonly outcome: Outcome
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
  if (plan === undefined) return { title: 'Gapless', command: undefined, origin: null, ...found }
  const { inputs, appName, hosts, run } = plan
  const where = hosts.length === 1 ? hosts[0]!.host : plural(hosts.length, 'host')
  return {
    title: `${inputs.command} ${appName} on ${where}`,
    command: inputs.command,
    origin: originOf(run, env),
    ...found,
  }
}

/** @param taken bytes that stand in the step's summary already */
export function renderSummary(report: Report, taken = 0): string {
  const { title, command, outcome, origin, rows } = report
  const { failure, hosts, succeeded } = outcome
  const looking = command === 'status'
  return fitting(LARGEST - taken, [
    `## ${mark(outcome)} ${escape(title)}`,
    `**${escape(sentence(outcome, command))}**`,
    failure === null ? '' : renderFailure(report, failure),
    hosts.length < 2 ? '' : table(['Host', 'Status', 'Live'], hosts.map(hostRow)),
    renderFacts(report),
    ...hosts.flatMap((host) => [
      renderRehearsal(host),
      renderServer(host),
      renderReleases(host, origin),
      renderWorkers(host, looking || !succeeded),
      renderJournal(host),
    ]),
    looking ? '' : timeline(rows),
    rows.length === 0 ? '' : folded('What each phase did', renderPhases(rows), !succeeded),
    // Of a hundred hosts it may be more than there is room for: last, so that nothing else is left out for it.
    ...renderOtherEvidence(outcome, rows),
  ])
}

/** As many of the sections as there is room for. @param room in bytes */
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

function mark({ succeeded, status, hosts }: Outcome): string {
  if (hosts.some(({ rehearsal }) => rehearsal !== null && wouldFail(rehearsal))) return '⚠️'
  if (succeeded) return '✅'
  return status === 'down' ? '🔴' : '⚠️'
}

function renderFailure(
  { origin }: Report,
  { code, message, remedy, evidence }: NonNullable<Outcome['failure']>,
): string {
  const name = link(`\`${escape(code)}\``, origin && errorUrl(origin, code))
  const why = `${escape(message)} (${name})`
  const next = remedy === undefined ? '' : `\n\n**Next:** ${escape(remedy)}`
  const proof = renderEvidence('Evidence', evidence)
  return why + next + (proof === '' ? '' : `\n\n${proof}`)
}

/** What people ask after a run, a line each. */
function renderFacts(report: Report): string {
  const { command, outcome, origin, rows, durationMs } = report
  const { succeeded, release, previousRelease, rollsBackTo, liveRelease, status } = outcome
  const moved =
    previousRelease !== null && release !== null && previousRelease !== release && release === liveRelease
  const named = (id: string | null) => renderRelease(id, report)
  const wayBack = succeeded && status === 'live' && rollsBackTo !== null
  return bullets([
    ['Release', [...(moved ? [previousRelease] : []), release].map(named).join(' → ')],
    ['Live', liveRelease === release ? '' : named(liveRelease)],
    // Of a release that there is the commit stands beside it.
    ['Commit', release !== null || command !== 'deploy' ? '' : renderSource(origin, origin)],
    ['Run', origin === null ? '' : renderRun(origin)],
    ['Sent', renderSent(outcome)],
    ['Checked', escape(checks(rows).join('; '))],
    ['Caches', escape(notSharing(outcome.hosts.flatMap(({ workers }) => workers)).join('; '))],
    ['Took', formatDuration(durationMs)],
    ['Slowest host', escape(slowestHost(rows))],
    ['To go back', wayBack ? `run with \`command: rollback\` and \`release: ${escape(rollsBackTo)}\`` : ''],
  ])
}

/** A release with its commit and who asked for it, as far as that is known. */
function renderRelease(id: string | null, { command, outcome, origin }: Report): string {
  if (id === null) return ''
  const isNew = command === 'deploy' && id === outcome.release
  const source = renderSource(isNew ? origin : outcome.infos.find((info) => info.id === id), origin)
  return source === '' ? code(id) : `${code(id)} (${source})`
}

function renderSource(
  source: Pick<ReleaseInfo, 'commit' | 'actor'> | null | undefined,
  origin: Origin | null,
): string {
  const { commit = '', actor = '' } = source ?? {}
  const of = commit === '' ? '' : link(code(commit.slice(0, 7)), origin && commitUrl(origin, commit))
  return [of, actor === '' ? '' : `by ${escape(actor)}`].filter((text) => text !== '').join(' ')
}

function shortCommit(commit: string, origin: Origin | null): string {
  return link(escape(commit.slice(0, 7)), origin && commitUrl(origin, commit))
}

function renderRun({ actor, runUrl, runNumber }: Origin): string {
  const run = runUrl === null ? '' : link(runNumber === 0 ? 'this run' : `#${runNumber}`, runUrl)
  return [run, actor === '' ? '' : `by ${escape(actor)}`].filter((text) => text !== '').join(' ')
}

function renderSent({ sent, uploadedBytes }: Outcome): string {
  if (sent === null) return ''
  const { files, bytes, ofFiles, ofBytes } = sent
  const share = ofBytes === 0 ? 0 : (100 * bytes) / ofBytes
  return files === 0
    ? `nothing: the server had all ${plural(ofFiles, 'file')}`
    : `${files} of ${plural(ofFiles, 'file')}, ${percent(share)} of ${formatBytes(ofBytes)}, as ${formatBytes(uploadedBytes)}`
}

function percent(share: number): string {
  if (share > 0 && share < 0.1) return 'less than 0.1 %'
  return `${share < 10 ? share.toFixed(1) : Math.round(share)} %`
}

/** On several hosts the same checks are made: they are told once. What the runner asked itself stands for itself. */
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

function renderServer({ name, server }: HostOutcome): string {
  if (server === null) return ''
  const { freeBytes, lock, interrupted } = server
  return titled(on('Server', name), [
    ['Disk', `${formatBytes(freeBytes)} free`],
    ['Lock', lock === null ? 'free' : `held by ${escape(lock)}`],
    [
      'Interrupted',
      interrupted === null ? '' : 'a deploy; the next deploy or rollback finishes or undoes it',
    ],
  ])
}

function renderJournal({ name, server }: HostOutcome): string {
  const lines = (server?.journal ?? []).map(({ time, step, state, detail, verdict }) =>
    [time, step ?? '', verdict?.status ?? state, detail.slice(0, LONGEST_ENTRY)]
      .filter((text) => text !== '')
      .join(' ')
      .replace(/\s+/g, ' '),
  )
  return lines.length === 0 ? '' : folded(on('Journal', name), verbatim(lines.join('\n')))
}

function renderReleases({ name, releases, server }: HostOutcome, origin: Origin | null): string {
  if (releases.length === 0) return ''
  const rows = releases.map((release) => {
    const { id, info, bytes } = release
    return [
      id,
      [stateOf(release, releases), age(id, server)].filter((text) => text !== '').join(', '),
      info === null ? 'damaged' : { markdown: shortCommit(info.commit, origin) },
      formatBytes(bytes),
    ]
  })
  return table([escape(on('Release', name)), 'State', 'Commit', 'Size'], rows)
}

/** A release's id is the UTC second of its upload. */
function age(id: string, server: HostOutcome['server']): string {
  if (server === null) return ''
  const uploaded = Date.parse(id.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'))
  const ms = Date.parse(server.now) - uploaded
  return Number.isNaN(ms) ? '' : formatAge(ms)
}

function renderWorkers({ name, workers }: HostOutcome, open: boolean): string {
  if (workers.length === 0) return ''
  const rows = workers.map(({ pid, status, release, phase, restarts, cache }) => [
    String(pid),
    status,
    release ?? 'unknown',
    phase ?? 'unknown',
    cache === null ? 'unknown' : cache.shared ? 'shared' : 'its own',
    String(restarts),
  ])
  const list = table(['Process', 'PM2', 'Runs', 'Phase', 'Cache', 'PM2 ↺'], rows)
  return folded(on(plural(workers.length, 'worker'), name), list, open)
}
