/** The apps that PM2 runs for this user: which Gapless deployed, from where, and where they listen. */
import { realpathSync } from 'node:fs'
import { LAUNCHER } from '../../protocol/manifest.ts'
import { layoutOf } from '../store/layout.ts'
import type { Pm2Process } from './client.ts'
import { withDescendants } from '../system/processes.ts'
import { readRuntime } from '../store/releases.ts'
import { type Address, heldBy, listeningSockets } from '../../common/listening-sockets.ts'
import { readWorkers } from './workers.ts'

/** What PM2 starts for every app that Gapless deployed, below the app's folder. */
const PROGRAM = `/current/${LAUNCHER}`

/** Returns the folder that Gapless deployed the app to; null where somebody else started the app. */
export function folderOf({ script }: Pick<Pm2Process, 'script'>): string | null {
  return script.endsWith(PROGRAM) ? script.slice(0, -PROGRAM.length) : null
}

/** Whether two paths lead to one folder. A path that does not exist equals itself. */
export function isSameFolder(one: string, other: string): boolean {
  return one === other || (realPath(one) ?? one) === (realPath(other) ?? other)
}

export function realPath(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

export interface Door extends Address {
  readonly name: string
  /** The app's folder. */
  readonly folder: string
}

/** Returns where the workers of all apps that Gapless deployed receive traffic. */
export async function openDoors(processes: readonly Pm2Process[]): Promise<readonly Door[]> {
  const apps = new Map<string, string>()
  for (const process of processes) {
    const folder = folderOf(process)
    if (folder !== null) apps.set(folder, process.name)
  }
  const doors = [...apps].map(async ([folder, name]) => {
    const layout = layoutOf(folder)
    const workers = (await readWorkers(layout.workers)).filter(
      ({ candidate, phase, doorPort }) => !candidate && phase === 'open' && doorPort > 0,
    )
    return Promise.all(
      workers.map(async ({ release, doorPort }) => {
        const runtime = await readRuntime(layout, release).catch(() => null)
        // A preview has no port.
        if (runtime?.socket) return []
        // An unknown host counts as all addresses: refusing what might work does less harm.
        return [{ name, folder, host: runtime?.host ?? '0.0.0.0', port: doorPort }]
      }),
    )
  })
  return (await Promise.all(doors)).flat(2)
}

export function isRunningUnder({ status }: Pm2Process): boolean {
  return status === 'online' || status === 'launching'
}

/**
 * Returns where processes listen that Gapless did not start; empty where that is unknown.
 * @param all of PM2's processes, and its daemon, which listens for all cluster workers
 */
export async function addressesOf(
  processes: readonly Pm2Process[],
  { all, daemon }: { readonly all: readonly Pm2Process[]; readonly daemon: number | null },
): Promise<readonly Address[]> {
  const sockets = listeningSockets()
  const running = processes.filter(isRunningUnder)
  const pids = withDescendants(running.map(({ pid }) => pid).filter((pid) => pid > 0))
  const own = pids.flatMap((pid) => heldBy(pid, sockets))
  const clustered = running.filter(({ mode }) => mode === 'cluster_mode')
  if (clustered.length === 0 || daemon === null) return own.map(toAddress)

  const doors = await openDoors(all)
  const shared = heldBy(daemon, sockets).filter(({ port }) => !doors.some((door) => door.port === port))
  const named = shared.filter(({ port }) => clustered.some((process) => portOf(process) === port))
  const alone = !all.some(
    (other) =>
      other.mode === 'cluster_mode' &&
      isRunningUnder(other) &&
      folderOf(other) === null &&
      !processes.some(({ id }) => id === other.id),
  )
  return [...own, ...(named.length > 0 ? named : alone ? shared : [])].map(toAddress)
}

function toAddress({ host, port }: Address): Address {
  return { host, port }
}

/** What its environment says, where PM2 started it with one. */
function portOf({ definition }: Pm2Process): number | null {
  const { env, PORT } = definition as { env?: { PORT?: unknown }; PORT?: unknown }
  const port = Number(env?.PORT ?? PORT)
  return Number.isInteger(port) ? port : null
}
