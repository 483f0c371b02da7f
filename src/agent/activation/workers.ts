/**
 * The app's workers: what PM2 keeps of them, and what each truly runs.
 *
 * Proof, not exit codes: a worker counts when PM2 lists its pid as online and the process itself, known by pid and start
 * time, says that it runs the release and has opened its door.
 */
import { LAUNCHER } from '../../protocol/manifest.ts'
import type { WorkerState } from '../../protocol/messages.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import { layoutOf, type Layout } from '../store/layout.ts'
import type { Pm2, Pm2App, Pm2Process } from '../pm2/client.ts'
import { nodeArguments } from '../pm2/worker-start.ts'
import { readWorkers } from '../pm2/workers.ts'
import type { Seen, Worker } from './decide.ts'
import type { Goal } from './goal.ts'
import type { Times } from './stay.ts'

/** What PM2 keeps for the app. The old workers stay and drain under these options, too. */
export function pm2App(
  base: string,
  name: string,
  { runtime, entry }: Pick<Goal, 'runtime' | 'entry'>,
  { listen, kill }: Times,
): Pm2App {
  const layout = layoutOf(base)
  return {
    name,
    ...programOf(layout),
    options: {
      wait_ready: true,
      // The old workers serve for as long as this, whatever the new ones do: time to notice and to restore.
      listen_timeout: listen,
      kill_timeout: kill,
      max_memory_restart: runtime.maxMemoryBytes,
      node_args: nodeArguments(runtime.nodeOptions, layout.current, entry),
      UV_THREADPOOL_SIZE: runtime.env['UV_THREADPOOL_SIZE'] || null,
    },
  }
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

interface App {
  readonly layout: Layout
  readonly pm2: Pick<Pm2, 'list'>
  readonly appName: string
}

export async function lookAtWorkers({
  layout,
  pm2,
  appName,
}: App): Promise<Pick<Seen, 'listed' | 'unlisted'>> {
  const [processes, records] = await Promise.all([pm2.list(appName), readWorkers(layout.workers)])
  return match(processes, records)
}

/** Puts processes and records together. */
export function match(
  processes: readonly Pm2Process[],
  records: readonly WorkerRecord[],
): Pick<Seen, 'listed' | 'unlisted'> {
  const workers = records.filter(({ candidate }) => !candidate)
  const pids = new Set(processes.map(({ pid }) => pid))
  return {
    listed: byId(processes).map((process) => ({
      process,
      record: workers.find(({ pid }) => pid === process.pid) ?? null,
    })),
    unlisted: workers.filter(({ pid }) => !pids.has(pid)),
  }
}

export function byId(processes: readonly Pm2Process[]): readonly Pm2Process[] {
  return [...processes].sort((a, b) => a.id - b.id)
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
    cache: record?.cache ?? null,
    traffic: record?.traffic ?? null,
  }))
}
