/** What to do next about the workers, given what is seen and what was asked already. Pure. */
import { failure } from '../../common/errors/activation.ts'
import { failure as serverFailure } from '../../common/errors/server.ts'
import type { Failure } from '../../common/failure.ts'
import type { Answer, HealthCheck } from '../../common/health.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { Pm2App, Pm2Options, Pm2Process } from '../pm2/client.ts'

/** A process of PM2's list. */
export interface Worker {
  readonly process: Pm2Process
  /** What it says of itself; null while it boots, or when it is not ours. */
  readonly record: WorkerRecord | null
}

export interface Seen {
  /** In the order of PM2's ids. */
  readonly listed: readonly Worker[]
  /** Workers that live and are not in PM2's list: those that it replaces, and those that it has forgotten. */
  readonly unlisted: readonly WorkerRecord[]
  /** The answers to the health check, by pid, where it was asked for. */
  readonly answers: ReadonlyMap<number, Answer>
  /** The answer at the public address, where it was asked for. */
  readonly door: Answer | null
  /** The ids whose old worker still drains, where that was asked for. */
  readonly replacing: ReadonlySet<number>
}

/** The records of all workers that live, listed or not. */
export function recordsIn({ listed, unlisted }: Pick<Seen, 'listed' | 'unlisted'>): readonly WorkerRecord[] {
  return [...unlisted, ...listed.flatMap(({ record }) => record ?? [])]
}

interface Of {
  readonly id: number
  readonly pid: number
}

export type Act =
  | (Of & { readonly do: 'reload' | 'restart'; readonly options: Pm2Options })
  | (Of & { readonly do: 'stop' | 'remove' | 'duplicate' | 'sigint' | 'kill' })
  /** Kills a worker whose event loop stands still. A record alone is no proof: on a full disk it stays as it was. */
  | (Of & { readonly do: 'kill-if-hung'; readonly port: number; readonly check: HealthCheck })
  | (Of & { readonly do: 'start'; readonly app: Pm2App })

export interface Asking {
  readonly act: Act
  readonly at: number
  readonly answered: boolean
}

export interface Asked {
  readonly now: number
  /** When this convergence began. */
  readonly since: number
  /** There is no more time. */
  readonly late: boolean
  readonly acts: readonly Asking[]
  /** What PM2 refused. */
  readonly refused: readonly string[]
  /** Every worker that was listed at some look, with each record's release. */
  readonly sightings: readonly Sighting[]
  /** The looks before this one, the latest last. */
  readonly looks: readonly Seen[]
}

export interface Sighting extends Of {
  readonly release: string | null
}

export type Decision = readonly Act[] | 'done' | Failure
export type Decide = (seen: Seen, asked: Asked) => Decision

export interface Serving {
  readonly app: Pm2App
  readonly release: string
  /** The place of the first worker that is to serve; by default 0. The next is that of the one after the last. */
  readonly first?: number
  readonly count: number
  /** Up to here they serve already. */
  readonly from: number
  /** PM2's processes when this began, in the order of their ids. They are no proof, even where they run the release. */
  readonly initial: readonly Pm2Process[]
  /** Ids that PM2 replaces by this release already, because an earlier process of the activation asked it to. */
  readonly adopted: ReadonlySet<number>
}

/** Brings workers to the release that `current` points at: reloads those that are there, and adds those that miss. */
export function toServe(serving: Serving): Decide {
  const { release, first = 0, count } = serving
  return (seen, asked) => {
    const ready = servingNow(seen, serving)
    const wanted = count - first
    if (ready.length >= wanted) return 'done'
    if (seen.listed.length === 0 && asked.sightings.length > 0) {
      return serverFailure('pm2-failed: daemon died', {})
    }
    const acts = missing(seen, asked, serving)
    if (acts.length > 0) return acts
    const workers = seen.listed.slice(first, count)
    const dead = workers.find((worker) => hasDied(worker, asked, serving))
    if (dead !== undefined) {
      return failure('worker-died', { release, status: dead.process.status })
    }
    const { refused } = asked
    if (refused.length > 0 && !areStartedSince(workers, wanted, serving)) {
      return serverFailure('pm2-failed: refused', { problem: refused.join('; ') })
    }
    if (!asked.late) return []
    const waiting = workers.find((worker) => !ready.includes(worker))
    const workersMissing = { missing: wanted - ready.length, wanted }
    return failure('worker-unhealthy', { ...workersMissing, release, seen: describe(waiting) })
  }
}

/** The workers that serve the release since this began. */
export function servingNow(seen: Seen, serving: Serving): readonly Worker[] {
  const { release, first = 0, count } = serving
  const old = oldPids(serving)
  return seen.listed
    .slice(first, count)
    .filter((worker) => serves(worker, release) && !old.has(worker.process.pid))
}

/** The processes from before, but for those that are being replaced. */
function oldPids({ initial, adopted }: Serving): ReadonlySet<number> {
  return new Set(initial.filter(({ id }) => !adopted.has(id)).map(({ pid }) => pid))
}

function missing({ listed }: Seen, asked: Asked, serving: Serving): readonly Act[] {
  const { app, count, from, initial, adopted } = serving
  const reloads = initial
    .slice(from, count)
    .filter(({ id }) => !adopted.has(id) && !wasAsked(asked, 'reload', id))
    .map(({ id, pid }): Act => ({ do: 'reload', id, pid, options: app.options }))
  const beyond = count - Math.max(from, initial.length)
  const starts = initial.length === 0 && from === 0 ? 1 : 0
  const first = listed[0]?.process
  if (first === undefined) {
    return starts === 1 && !wasAsked(asked, 'start')
      ? [...reloads, { do: 'start', id: 0, pid: 0, app }]
      : reloads
  }
  const { id, pid } = first
  const duplicates = beyond - starts - asked.acts.filter(({ act }) => act.do === 'duplicate').length
  return [
    ...reloads,
    ...Array.from({ length: Math.max(0, duplicates) }, (): Act => ({ do: 'duplicate', id, pid })),
  ]
}

/**
 * PM2 7.0.4 refuses to replace a worker that has just exited ("process already started"). The worker that PM2 starts in
 * its place runs the release already.
 */
function areStartedSince(workers: readonly Worker[], wanted: number, { initial }: Serving): boolean {
  const pids = new Set(initial.map(({ pid }) => pid))
  return workers.length >= wanted && workers.every(({ process: { pid } }) => !pids.has(pid))
}

/** PM2 starts a worker again that exits before it is ready: then another process has its id. */
function hasDied({ process: { id, pid, status } }: Worker, asked: Asked, serving: Serving): boolean {
  if (status === 'errored' || status === 'stopped') return true
  const old = oldPids(serving)
  const own = asked.sightings.filter(
    (sighting) => sighting.id === id && sighting.release === serving.release && !old.has(sighting.pid),
  )
  const pids = new Set(own.map((sighting) => sighting.pid))
  return pids.size > 1 || (pids.size === 1 && !pids.has(pid))
}

export interface Restoring {
  readonly release: string
  readonly options: Pm2Options
  readonly instances: number
  /** The release whose workers leave at once when they are told to. */
  readonly failed: string
  readonly leaving: Leaving
}

/** How workers are known that hang while they leave: PM2 would wait its whole `kill_timeout` for them. */
export interface Leaving {
  readonly check: HealthCheck
  /** After this no worker drains any more that is alive, in ms. */
  readonly drainMs: number
}

/**
 * Replaces every worker that does not serve the release, which `current` points at again, and finishes a reload that
 * waits with it. Done also where PM2 has no worker at all, because its daemon died.
 */
export function toRestore({ release, options, instances, failed, leaving }: Restoring): Decide {
  return ({ listed }, asked) => {
    const serving = listed.filter((worker) => serves(worker, release)).length
    if (listed.length === 0 || serving >= Math.min(instances, listed.length)) return 'done'
    if (asked.late) {
      const other = listed.find((worker) => !serves(worker, release))
      const problem = `not every worker serves "${release}" (${describe(other)})`
      return failure('restore-failed', { problem })
    }
    return listed.flatMap((worker): readonly Act[] => {
      const { process, record } = worker
      const { id, pid, status } = process
      const ended = status === 'errored' || status === 'stopped'
      if (record?.release === release || (record === null && !ended)) return []
      const first = !asked.acts.some(({ act }) => act.id === id && act.pid === pid)
      if (!ended && record !== null && isBehindDoor(record)) {
        // PM2 itself starts a process that exits before it was ready once more, and from here on that is the release.
        // Asked to restart it, it would start two (7.0.4), and forget one. It may hang, and nobody is lost there.
        return [{ do: first ? 'sigint' : 'kill', id, pid }]
      }
      if (first) {
        // A worker of a third release, from before an activation that was interrupted, stays when it is told to leave.
        const stays = record !== null && record.release !== failed && record.phase === 'open'
        return [{ do: stays ? 'reload' : 'restart', id, pid, options }]
      }
      return status === 'stopping' ? endIfHung({ id, pid, record }, asked, leaving) : []
    })
  }
}

/** Looks in a row that must find the app stopped: a restart that PM2 had begun may still come through. */
const QUIET = 5

/**
 * Stops the app. PM2 takes a process that is stopped before it was ready for one that crashed, and starts it again
 * (7.0.4). A worker that starts while the notice says `halt` starts nothing, is ready at once, and can be stopped.
 * @param drained whether to wait for workers that take no traffic any more and finish what is inside
 */
export function toStop(drained: boolean, leaving: Leaving): Decide {
  const running = ({ listed }: Seen) =>
    listed.filter((worker) => !hasStopped(worker) && (drained || !isLeaving(worker)))
  return (seen, asked) => {
    const looks = [...asked.looks, seen].slice(-QUIET)
    if (looks.length === QUIET && looks.every((look) => running(look).length === 0)) return 'done'
    const workers = running(seen)
    if (asked.late && workers.length > 0) {
      return failure('restore-failed: not stopped', { problem: describe(workers[0]) })
    }
    return workers.flatMap((worker): readonly Act[] => {
      const { id, pid, status } = worker.process
      if (pid === 0) return []
      if (asked.acts.some(({ act }) => act.pid === pid))
        return endIfHung({ id, pid, record: worker.record }, asked, leaving)
      if (isStarting(worker)) return [{ do: 'kill', id, pid }]
      return status === 'online' ? [{ do: 'stop', id, pid }] : []
    })
  }
}

/**
 * Ends a crash loop that an earlier failure may have left: PM2 does not reload such a worker ("process already
 * started", 7.0.4), and it serves nobody.
 */
export const toStopCrashLoop: Decide = ({ listed }, { late }) => {
  const starting = listed.filter(isStarting)
  if (starting.length === 0 || late) return 'done'
  return starting
    .filter(({ process: { pid } }) => pid > 0)
    .map(({ process: { id, pid } }): Act => ({ do: 'kill', id, pid }))
}

/**
 * Removes the workers beyond `instances`, the youngest first, and tells those to leave that PM2 does not list. Those
 * that it replaces hear it once more. Others it has forgotten: it starts a process twice that is restarted before it
 * was ready (7.0.4), and keeps one of the two, which may still boot. Done when no other release takes traffic, and no orphan is deaf. Where PM2
 * lists no worker that serves, its daemon has just died, and those that it does not list are all that does.
 */
export function toScaleDown(release: string, instances: number, leaving: Leaving): Decide {
  return (seen, asked) => {
    const { listed, unlisted } = seen
    if (!listed.some((worker) => serves(worker, release))) return asked.late ? 'done' : []
    const surplus = listed.slice(instances)
    const removed = surplus
      .filter((worker) => !isStarting(worker) && !wasAskedOf(asked, 'remove', worker))
      .map(({ process: { id, pid } }): Act => ({ do: 'remove', id, pid }))
    // PM2 would start it again. Once that is the release itself and serves, it can be removed.
    const ended = surplus
      .filter((worker) => isStarting(worker) && worker.record !== null && worker.record.release !== release)
      .filter((worker) => !wasAskedOf(asked, 'kill', worker))
      .map(({ process: { id, pid } }): Act => ({ do: 'kill', id, pid }))
    const forgotten = unlisted
      .filter(({ phase, pid }) => phase !== 'draining' && !asked.acts.some(({ act }) => act.pid === pid))
      .map(({ pid }): Act => ({ do: 'sigint', id: -1, pid }))
    const isInTheWay = (record: WorkerRecord) => takesTraffic(record, release) || isDeaf(record)
    const hung = unlisted
      .filter(isInTheWay)
      .flatMap((record) => endIfHung({ id: -1, pid: record.pid, record }, asked, leaving))
    const acts = [...removed, ...ended, ...forgotten, ...hung]
    if (acts.length > 0) return acts
    const isOnly = !recordsIn(seen).some(isInTheWay)
    const isAlone = isOnly && !unlisted.some(isBehindDoor) && !surplus.some(isStarting)
    return asked.late || isAlone ? 'done' : []
  }
}

/** An orphan that has not said how long it stays: a healthy one says so at once. PM2 ends workers that are no orphans. */
function isDeaf({ orphaned, phase, leavesAt }: WorkerRecord): boolean {
  return orphaned !== null && phase === 'open' && leavesAt === null
}

function takesTraffic(record: WorkerRecord, except: string): boolean {
  return record.release !== except && record.phase === 'open'
}

/**
 * Waits until PM2 has no old worker aside. It has one place for each id: PM2 7 refuses a reload while that is taken, 5
 * and 6 forget the worker.
 */
export const toBeReplaced: Decide = ({ replacing }, { late }) => (replacing.size === 0 || late ? 'done' : [])

/** A release, and the address that visitors reach it at. */
interface Shown {
  readonly release: string
  readonly address: string
}

/** Watches workers for a time: the same processes, each healthy whenever it is asked. */
export function toStayHealthy(shown: Shown, pids: readonly number[], observeMs: number): Decide {
  return (seen, { now, since }) => unhealthy(seen, shown, pids) ?? (now - since >= observeMs ? 'done' : [])
}

/** Waits until so many workers of a release are healthy. */
export function toBecomeHealthy(shown: Shown, instances: number): Decide {
  const { release } = shown
  return (seen, { late }) => {
    const workers = seen.listed.filter((worker) => serves(worker, release))
    if (workers.length === 0) {
      return late ? failure('restore-failed', { problem: `no worker serves "${release}"` }) : []
    }
    const pids = workers.slice(0, instances).map(({ process: { pid } }) => pid)
    const trouble = unhealthy(seen, shown, pids)
    return trouble === null ? 'done' : late ? trouble : []
  }
}

function unhealthy(
  { listed, answers, door }: Seen,
  { release, address }: Shown,
  pids: readonly number[],
): Failure | null {
  const serving = listed.filter((worker) => serves(worker, release)).map(({ process: { pid } }) => pid)
  if (!pids.every((pid) => serving.includes(pid))) {
    return failure('worker-died: serving', { release })
  }
  for (const pid of serving) {
    const answer = answers.get(pid)
    if (answer !== undefined && !answer.healthy) {
      const values = { pid, release, answer: answer.detail }
      return failure('worker-unhealthy: serving', values, { evidence: answer.excerpt })
    }
  }
  // The old workers still answer here beside the new ones, and may not know the new health path: any answer shows that
  // the port is open.
  if (door !== null && door.status > 0) return null
  const problem = door?.detail ?? 'no request was sent'
  return address.startsWith('/')
    ? failure('door-closed: socket', { socket: address, problem })
    : failure('door-closed', { address, problem })
}

/** A launcher that lives closes its door at once when it is told to leave. After this it is asked, in ms. */
const PATIENCE = 5000

function endIfHung(
  { id, pid, record }: Of & Pick<Worker, 'record'>,
  asked: Asked,
  { check, drainMs }: Leaving,
): readonly Act[] {
  if (record === null) return []
  const asks = asked.acts.filter(({ act }) => act.pid === pid)
  const waited = asked.now - (asks[0]?.at ?? asked.now)
  if (record.phase === 'draining') return waited >= drainMs ? [{ do: 'kill', id, pid }] : []
  const isAsking = asks.some(({ act, answered }) => act.do === 'kill-if-hung' && !answered)
  if (record.phase !== 'open' || waited < PATIENCE || isAsking) return []
  return [{ do: 'kill-if-hung', id, pid, port: record.port, check }]
}

function wasAsked({ acts }: Asked, what: Act['do'], id?: number): boolean {
  return acts.some(({ act }) => act.do === what && (id === undefined || act.id === id))
}

function wasAskedOf({ acts }: Asked, what: Act['do'], { process }: Worker): boolean {
  return acts.some(({ act }) => act.do === what && act.id === process.id && act.pid === process.pid)
}

/** Whether a worker takes traffic for a release. */
export function serves({ process, record }: Worker, release: string): boolean {
  return process.status === 'online' && record?.release === release && record.phase === 'open'
}

/** The release that takes traffic, or null where none does, or more than one. */
export function servedRelease(workers: readonly Worker[]): string | null {
  const served = new Set(
    workers.flatMap(({ process, record }) =>
      process.status === 'online' && record?.phase === 'open' ? [record.release] : [],
    ),
  )
  return served.size === 1 ? [...served][0]! : null
}

/** What a worker does, for people. */
function describe(worker: Worker | undefined): string {
  if (worker === undefined) return 'PM2 lists too few workers'
  const { process, record } = worker
  if (record === null) return `process ${process.pid} (${process.status}) has not reported`
  const answer = record.detail === '' ? '' : `, last answer: ${record.detail} ${record.excerpt}`
  return `process ${process.pid} is ${record.phase === 'proving' ? 'being checked' : record.phase}${answer}`
}

/** Behind a closed door, and not told to wait. */
export function isStarting({ process: { status }, record }: Worker): boolean {
  const ready = status === 'online' || status === 'stopped' || status === 'errored' || status === 'stopping'
  return !ready && (record === null || record.phase === 'booting' || record.phase === 'proving')
}

/** PM2 does not start it again. */
function isLeaving({ process: { status }, record }: Worker): boolean {
  return status === 'stopping' && record?.phase === 'draining'
}

function hasStopped({ process: { status }, record }: Worker): boolean {
  return record === null && (status === 'stopped' || status === 'errored')
}

function isBehindDoor({ phase, doorPort }: WorkerRecord): boolean {
  return phase === 'booting' || phase === 'proving' || doorPort === 0
}
