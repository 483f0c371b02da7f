/** status: what is live, the releases, what the workers run. It changes nothing. */
import { formatBytes, formatDuration, joined, plural } from '../common/format.ts'
import { agreed, type HostOutcome, nothingKnown, type Outcome, overall, untouched } from '../outcome.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { stateOf } from '../protocol/history.ts'
import type { Result, WorkerState } from '../protocol/messages.ts'
import { p95, type Traffic, worstPaths } from '../protocol/traffic.ts'
import { type Host, onEach } from '../hosts/host.ts'

export async function lookAt(plan: Plan, hosts: readonly Host[], pipeline: Pipeline): Promise<Outcome> {
  const seen = await onEach(hosts, plan.inputs['max-parallel'], pipeline, (host, log) =>
    log.run('status', () => look(host, log.log)),
  )
  const live = agreed(seen.map((host) => host.live))
  const status = live === null ? 'down' : overall(seen.map((host) => host.status))
  return { ...untouched({ ...nothingKnown, live }), status, succeeded: true, hosts: seen }
}

async function look(host: Host, log: Pick<Log, 'info'>): Promise<Done<HostOutcome>> {
  const found = await host.agent().call('status', {})
  // The log can be searched and fetched, the summary cannot.
  for (const line of linesOf(found)) log.info(line)
  if (host.facts.probation) log.info(host.facts.probation)
  const { live, served, releases, workers, lock, interrupted, journal } = found
  const { now, freeBytes } = host.facts
  // Another run may be replacing the workers: then it is enough that some serve.
  const asMeant = served === live && workers.every(serves)
  const healthy = served !== null && (asMeant || lock !== null)
  const value = {
    name: host.name,
    status: healthy ? 'live' : 'down',
    live: served,
    failure: null,
    releases,
    workers,
    server: { now, freeBytes, lock, interrupted, journal },
    dryRun: null,
  } as const
  return { value, detail: `${detailOf(found)}; ${formatBytes(freeBytes)} of disk free` }
}

function linesOf({ releases, workers, journal }: Result<'status'>): readonly string[] {
  return [
    ...releases.map((release) => {
      const { id, info, bytes } = release
      const commit = info === null ? 'damaged' : `commit ${info.commit.slice(0, 7) || 'unknown'}`
      return `release ${id}: ${stateOf(release, releases)}, ${commit}, ${formatBytes(bytes)}`
    }),
    ...workers.map(
      ({ pid, status, release, phase, restarts, memoryBytes, cache }) =>
        `worker ${pid}: ${status}, release ${release ?? 'unknown'}, ${phase ?? 'state unknown'}, ${cacheOf(cache)}, ` +
        `${plural(restarts, 'restart')}, ${formatBytes(memoryBytes)} of memory`,
    ),
    ...workers.flatMap(({ pid, traffic }) => (traffic === null ? [] : `worker ${pid}: ${countsOf(traffic)}`)),
    ...journal.map(({ time, step, state, detail }) => joined(['journal:', time, step ?? '', state, detail])),
  ]
}

function countsOf(traffic: Traffic): string {
  const { answers, aborted, errors, inProgress, slowestMs, loopDelayMs, memoryBytes } = traffic
  const classes = answers.flatMap((some, index) => (some === 0 ? [] : `${some} of ${index + 1}xx`))
  const worst = worstPaths(traffic).map(([path, times]) => `${path} (${times})`)
  return [
    `answered ${classes.join(', ') || 'nothing yet'}`,
    `aborted ${plural(aborted, 'connection')}`,
    plural(errors, 'uncaught exception'),
    `${inProgress} in progress`,
    `p95 ${formatDuration(p95(traffic) ?? 0)}`,
    `slowest ${formatDuration(slowestMs)}`,
    `event loop delay ${formatDuration(loopDelayMs)}`,
    `${formatBytes(memoryBytes)} when it last reported`,
    ...(worst.length === 0 ? [] : [`failed most: ${worst.join(', ')}`]),
  ].join(', ')
}

function cacheOf(cache: WorkerState['cache']): string {
  if (cache === null) return 'cache unknown'
  return cache.shared ? 'cache shared' : `cache its own (${cache.why})`
}

function serves({ status, phase }: WorkerState): boolean {
  return (status === 'online' || status === 'orphaned') && phase === 'open'
}

function detailOf({ releases, workers, lock, interrupted, lived }: Result<'status'>): string {
  const remarks = [`${plural(releases.length, 'release')}, ${plural(workers.length, 'worker')}`]
  if (lived !== null) remarks.push(lived)
  const orphans = workers.filter(({ status }) => status === 'orphaned').length
  if (orphans > 0) {
    remarks.push(`PM2's daemon died, ${plural(orphans, 'worker')} kept serving: the next deploy takes over`)
  }
  if (lock !== null) remarks.push(`the lock is held by ${lock}`)
  if (interrupted !== null) remarks.push('a deploy was interrupted, and the next run recovers it')
  return remarks.join('; ')
}
