/**
 * The app's workers as a whole: what PM2 keeps of them, and what each truly runs.
 *
 * Proof, not exit codes: a worker counts when PM2 lists its pid as online and the process itself, known by pid
 * and start time, says that it runs the release and has opened its door.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { LAUNCHER } from '../../protocol/manifest.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { WorkerState } from '../../protocol/messages.ts'
import type { Layout } from '../store/layout.ts'
import type { Pm2, Pm2App, Pm2Process } from '../pm2/client.ts'
import { nodeArguments } from '../pm2/worker-start.ts'
import { readWorkers } from '../pm2/workers.ts'
import type { Goal } from './goal.ts'
import type { Times } from './stay.ts'

export const POLL = 100

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

/** What PM2 keeps for the app. The old workers stay and drain under these options, too. */
export function pm2App(
  layout: Layout,
  name: string,
  { runtime, entry }: Pick<Goal, 'runtime' | 'entry'>,
  { listen, kill }: Times,
): Pm2App {
  return {
    name,
    ...programOf(layout),
    options: {
      wait_ready: true,
      // The old workers serve for as long as this, whatever the new ones do: time to notice and to go back.
      listen_timeout: listen,
      kill_timeout: kill,
      max_memory_restart: runtime.maxMemoryBytes,
      node_args: nodeArguments(runtime.nodeOptions, layout.current, entry),
      UV_THREADPOOL_SIZE: runtime.env['UV_THREADPOOL_SIZE'] || null,
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

type Program = Pick<Pm2App, 'script' | 'cwd'>

/** What PM2 starts, whatever the release. */
export function programOf({ current }: Layout): Program {
  return { script: `${current}/${LAUNCHER}`, cwd: current }
}

/** Whether PM2 can bring these workers to a new release without a gap. */
export function isOurs(process: Pm2Process, app: Program): boolean {
  return process.mode === 'cluster_mode' && process.script === app.script && process.cwd === app.cwd
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
export function describe(worker: Worker | undefined): string {
  if (worker === undefined) return 'PM2 lists too few'
  const { process, record } = worker
  if (record === null) return `process ${process.pid} (${process.status}) has not reported`
  return `process ${process.pid} is ${record.phase}${record.detail === '' ? '' : `, last answer: ${record.detail} ${record.excerpt}`}`
}

export function byId(processes: readonly Pm2Process[]): readonly Pm2Process[] {
  return [...processes].sort((a, b) => a.id - b.id)
}

/** @returns whether the condition came true in time */
export async function waitFor(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() >= deadline) return false
    await delay(POLL)
  }
  return true
}
