/**
 * The app's workers as a whole: brought to the release that `current` points at, watched until every one
 * serves it, and brought back when they do not.
 *
 * Proof, not exit codes: a worker counts when PM2 lists its pid as online and the process itself, known by pid
 * and start time, says that it runs the release and has opened its door.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { askHealth } from '../../server/health.ts'
import { LONGEST_STAY } from '../../server/limits.ts'
import type { WorkerRecord } from '../../server/worker-record.ts'
import { Failure } from '../../protocol/failure.ts'
import type { Runtime, WorkerState } from '../../protocol/messages.ts'
import { readIfThere } from '../files.ts'
import type { Layout } from '../layout.ts'
import type { Pm2, Pm2App, Pm2Process } from '../pm2.ts'
import { readWorkers } from '../workers.ts'

const POLL = 100
/** Closing the door, PM2's polling and the launcher's own cleanup come on top of the drain, in ms. */
const MARGIN = 20_000

/** PM2 looks every 100 ms whether a process that it stopped is gone (`kill_retry_time`, 5 to 7), in ms. */
const PM2_NOTICES = 500

export interface Worker {
  readonly process: Pm2Process
  /** What the process says of itself; null while it boots, or when it is not ours. */
  readonly record: WorkerRecord | null
}

export interface FleetOptions {
  readonly layout: Layout
  readonly pm2: Pm2
  readonly appName: string
}

/** What PM2 keeps for the app; `previous` still drains under these options. */
export function pm2App(layout: Layout, name: string, next: Runtime, previous: Runtime | null): Pm2App {
  const all = previous === null ? [next] : [next, previous]
  const longest = (of: (runtime: Runtime) => number) => Math.max(...all.map(of))
  const stay = longest(({ observeMs }) => observeMs) + LONGEST_STAY
  return {
    name,
    script: `${layout.current}/.gapless/launcher.cjs`,
    cwd: layout.current,
    options: {
      wait_ready: true,
      // The old workers serve for as long as this, whatever the new ones do: time to notice and to go back.
      listen_timeout: longest(({ health, observeMs }) => health.timeoutMs + observeMs) * 2 + LONGEST_STAY,
      kill_timeout: stay + longest(({ drainTimeoutMs }) => drainTimeoutMs) + MARGIN,
      max_memory_restart: next.maxMemoryBytes,
      node_args: next.nodeOptions,
    },
  }
}

export async function listWorkers({ layout, pm2, appName }: FleetOptions): Promise<readonly Worker[]> {
  const [processes, records] = await Promise.all([pm2.list(appName), readWorkers(layout.workers)])
  return byId(processes).map((process) => ({
    process,
    record: records.find((record) => record.pid === process.pid && !record.candidate) ?? null,
  }))
}

export function toStates(workers: readonly Worker[]): readonly WorkerState[] {
  return workers.map(({ process, record }) => ({
    pmId: String(process.id),
    pid: process.pid,
    status: process.status,
    release: record?.release ?? null,
    phase: record?.phase ?? null,
    restarts: process.restarts,
    memoryBytes: process.memoryBytes,
  }))
}

/** Whether PM2 can bring these workers to a new release without a gap. */
export function isOurs(process: Pm2Process, app: Pm2App): boolean {
  return process.mode === 'cluster_mode' && process.script === app.script && process.cwd === app.cwd
}

/**
 * Brings `instances` workers to the release that `current` points at, and waits until they serve it.
 * @param together all at once, or one after the other, each after its old worker has gone
 * @throws what `untilServing` throws
 */
export async function bringUp(
  options: FleetOptions,
  app: Pm2App,
  release: string,
  instances: number,
  together: boolean,
  timeoutMs: number,
): Promise<readonly Worker[]> {
  const { pm2, appName, layout } = options
  const complaints: string[] = []
  await untilDrained(layout, app.options.kill_timeout)
  const present = byId(await pm2.list(appName))
  let first = present[0]?.id

  let serving: readonly Worker[] = []
  for (let count = together ? instances : 1; count <= instances; count += 1) {
    const asked: Promise<unknown>[] = []
    const ask = (work: Promise<void>) => {
      asked.push(work.catch((error: unknown) => complaints.push((error as Error).message)))
    }
    for (let index = serving.length; index < count; index += 1) {
      const known = present[index]
      if (known !== undefined) {
        ask(pm2.reload(known.id, app.options))
      } else if (first !== undefined) {
        ask(pm2.duplicate(first))
      } else {
        ask(pm2.start(app))
        first = await firstId(options)
      }
    }
    serving = await untilServing(options, release, count, timeoutMs, complaints)
    if (!together) await Promise.all(asked)
  }
  return serving
}

/**
 * PM2 has one place for the old worker of each id. One that still drains from the last activation holds it: PM2 7
 * then refuses a reload, 5 and 6 forget the old worker.
 */
async function untilDrained(layout: Layout, timeoutMs: number): Promise<void> {
  const drained = async () => (await readWorkers(layout.workers)).every(({ phase }) => phase !== 'draining')
  if (await drained()) return
  await waitFor(drained, timeoutMs)
  await delay(PM2_NOTICES)
}

/** Takes away the workers beyond `instances`, the youngest first. */
export async function trim({ pm2, appName }: FleetOptions, instances: number): Promise<void> {
  const present = byId(await pm2.list(appName))
  // Not waited for: what is asked to leave drains in the background.
  for (const process of present.slice(instances)) pm2.remove(process.id).catch(() => undefined)
}

async function firstId({ pm2, appName }: FleetOptions): Promise<number | undefined> {
  let found: readonly Pm2Process[] = []
  await waitFor(async () => (found = await pm2.list(appName)).length > 0, 10_000)
  return found[0]?.id
}

function byId(processes: readonly Pm2Process[]): readonly Pm2Process[] {
  return [...processes].sort((a, b) => a.id - b.id)
}

/**
 * Waits until every worker serves `release`.
 * @throws Failure `worker-died`, `worker-unhealthy` or `pm2-failed`, with what was seen last
 */
async function untilServing(
  options: FleetOptions,
  release: string,
  instances: number,
  timeoutMs: number,
  complaints: readonly string[],
): Promise<readonly Worker[]> {
  const deadline = performance.now() + timeoutMs
  const seen = new Map<number, Set<number>>()
  for (;;) {
    const workers = (await listWorkers(options)).slice(0, instances)
    const serving = workers.filter((worker) => serves(worker, release))
    if (serving.length >= instances) return serving

    for (const { process, record } of workers) {
      if (record?.release === release) remember(seen, process.id, process.pid)
      const pids = seen.get(process.id)
      if (
        process.status === 'errored' ||
        process.status === 'stopped' ||
        (pids && (pids.size > 1 || !pids.has(process.pid)))
      ) {
        throw new Failure(
          'worker-died',
          `a worker of ${release} died before it could take traffic (PM2 says ${process.status})`,
        )
      }
    }
    if (complaints.length > 0) throw new Failure('pm2-failed', complaints.join('; '))
    if (performance.now() >= deadline) {
      const waiting = workers.find((worker) => !serves(worker, release))
      throw new Failure(
        'worker-unhealthy',
        `${instances - serving.length} of ${instances} workers did not come to serve ${release}: ${describe(waiting)}`,
      )
    }
    await delay(POLL)
  }
}

/**
 * Watches workers that serve for `observeMs`: the same processes, each healthy whenever it is asked.
 * @throws Failure `worker-died` or `worker-unhealthy`
 */
export async function observe(
  options: FleetOptions,
  release: string,
  workers: readonly Worker[],
  runtime: Runtime,
): Promise<void> {
  const until = performance.now() + runtime.observeMs
  const pids = workers.map(({ process }) => process.pid)
  do {
    const now = (await listWorkers(options)).filter((worker) => serves(worker, release))
    if (!pids.every((pid) => now.some(({ process }) => process.pid === pid))) {
      throw new Failure('worker-died', `a worker of ${release} died after it began to take traffic`)
    }
    for (const { process, record } of now) {
      const answer = await askHealth('127.0.0.1', record!.port, runtime.health)
      if (!answer.healthy) {
        throw new Failure(
          'worker-unhealthy',
          `worker ${process.pid} of ${release} became unhealthy: ${answer.detail}`,
          { evidence: answer.excerpt },
        )
      }
    }
    // The old workers still answer here beside the new ones, and may not know the new health path: any answer
    // shows that the port is open.
    const door = await askHealth(reachable(runtime.host), runtime.port, runtime.health)
    if (door.status === 0) {
      throw new Failure('door-closed', `nobody answers on ${runtime.host}:${runtime.port}: ${door.detail}`)
    }
    await delay(Math.min(runtime.health.intervalMs, 500))
  } while (performance.now() < until)
}

/**
 * Replaces every worker that does not serve `release`, which `current` points at again: PM2 starts a process
 * that ended anew, and finishes a reload that waits with it.
 */
export async function heal(
  options: FleetOptions,
  release: string,
  instances: number,
  timeoutMs: number,
): Promise<void> {
  const { pm2 } = options
  const deadline = performance.now() + timeoutMs
  const handled = new Set<string>()
  for (;;) {
    const workers = await listWorkers(options)
    if (
      workers.filter((worker) => serves(worker, release)).length >= Math.min(instances, workers.length) &&
      workers.length > 0
    )
      return
    if (performance.now() >= deadline) {
      throw new Failure(
        'restore-failed',
        `not every worker came back to ${release}: ${describe(workers.find((worker) => !serves(worker, release)))}`,
      )
    }
    for (const {
      process: { id, pid, status },
      record,
    } of workers) {
      if (record?.release === release || handled.has(`${id} ${pid} ${status}`)) continue
      if (status === 'errored' || status === 'stopped') {
        handled.add(`${id} ${pid} ${status}`)
        pm2.restart(id).catch(() => undefined)
      } else if (record !== null) {
        handled.add(`${id} ${pid} ${status}`)
        // Behind a closed door nobody is lost; an open one is left through the drain.
        kill(pid, record.phase === 'open' || record.phase === 'draining' ? 'SIGINT' : 'SIGKILL')
      }
    }
    await delay(POLL)
  }
}

/** Stops the app: for a first deploy that failed, with nothing to go back to. */
export async function stopAll({ pm2, appName }: FleetOptions): Promise<void> {
  await Promise.all((await pm2.list(appName)).map(({ id }) => pm2.stop(id)))
}

/** Waits until the workers of other releases have closed their doors: from then on all answers are the new one's. */
export async function untilOthersLeft(
  { layout }: FleetOptions,
  release: string,
  timeoutMs: number,
): Promise<boolean> {
  return waitFor(
    async () =>
      (await readWorkers(layout.workers)).every(
        (worker) => worker.release === release || worker.candidate || worker.phase !== 'open',
      ),
    timeoutMs,
  )
}

function serves({ process, record }: Worker, release: string): boolean {
  return process.status === 'online' && record?.release === release && record.phase === 'open'
}

function remember(seen: Map<number, Set<number>>, id: number, pid: number): void {
  const pids = seen.get(id) ?? new Set()
  seen.set(id, pids.add(pid))
}

function describe(worker: Worker | undefined): string {
  if (worker === undefined) return 'PM2 lists too few'
  const { process, record } = worker
  if (record === null) return `process ${process.pid} (${process.status}) has not reported`
  return `process ${process.pid} is ${record.phase}${record.detail === '' ? '' : `, last answer: ${record.detail} ${record.excerpt}`}`
}

/** An address that reaches a server which listens on all of them. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}

/** @returns whether the condition came true in time */
async function waitFor(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() >= deadline) return false
    await delay(POLL)
  }
  return true
}

/** The end of the workers' own logs since `since` (bytes by file): the evidence when they fail. */
export async function logsSince(
  processes: readonly Pm2Process[],
  since: ReadonlyMap<string, number>,
): Promise<string> {
  const files = [...new Set(processes.flatMap(({ errorLog, outLog }) => [outLog, errorLog]))]
  const texts = await Promise.all(
    files.map(async (file) =>
      Buffer.from((await readIfThere(file)) ?? '')
        .subarray(since.get(file) ?? 0)
        .toString('utf8'),
    ),
  )
  return texts.filter((text) => text !== '').join('\n')
}
