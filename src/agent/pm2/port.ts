/** Whether the app's port is free for it, checked before anything live is touched. */
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { failure } from '../../common/errors/server.ts'
import type { Failure } from '../../common/failure.ts'
import type { Said } from '../../protocol/messages.ts'
import { isSameFolder, openDoors } from './apps.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { Pm2Process } from './client.ts'
import { orphansIn } from './orphans.ts'
import { commandOf, pids, withDescendants } from '../system/processes.ts'
import { type Address, heldBy, isVisible, listeningSockets } from '../../common/listening-sockets.ts'
import { formatAddress, isEverywhere } from '../system/sockets.ts'

export interface PortUsers {
  /** Processes that PM2 lists for the app. */
  readonly processes: readonly Pm2Process[]
  /** The records of its workers. */
  readonly records: readonly WorkerRecord[]
  /** The PM2 daemon, which holds the port for the workers of every app in cluster mode. */
  readonly daemon: number | null
  /** Where those of its processes listen that somebody else started; empty where that is unknown. */
  readonly addresses: readonly Address[]
}

/** @throws Failure `port-taken` or `port-forbidden` */
export async function assertPortIsOurs(host: string, port: number, users: PortUsers): Promise<void> {
  const error = await tryListen(host, port)
  if (error === null) return
  if (error.code === 'EACCES') {
    throw failure('port-forbidden', { port })
  }
  if (error.code === 'EADDRNOTAVAIL') {
    throw failure('port-taken: no address', { host })
  }
  if (error.code !== 'EADDRINUSE') throw error
  const sockets = listeningSockets().filter((socket) => socket.port === port)
  const holds = (pid: number) => heldBy(pid, sockets).length > 0
  const owners = ownersOf(port, users)
  if (owners.some(holds)) return
  const pid = pids().find(holds)
  // Nobody sees what a process holds whose Node.js has capabilities of its own (`setcap`, for a port below 1024).
  if (pid === undefined && owners.some((owner) => !isVisible(owner))) return
  if (pid === undefined && (await comesFree(host, port))) return
  throw portTaken(`${host}:${port}`, port, pid)
}

/** How long an exiting process may hold its sockets after it is invisible, in ms. */
const LAST_BREATH = 2000

async function comesFree(host: string, port: number): Promise<boolean> {
  const deadline = performance.now() + LAST_BREATH
  while (performance.now() < deadline) {
    await delay(100)
    if ((await tryListen(host, port)) === null) return true
  }
  return false
}

/**
 * PM2's daemon gives a second app the same socket, and visitors would reach either app (PM2 5 to 7).
 * @param base the app's folder
 * @throws Failure `port-taken` where another app that Gapless deployed listens there
 */
export async function assertNoOtherDoor(
  base: string,
  address: Address,
  all: readonly Pm2Process[],
): Promise<void> {
  const doors = await openDoors(all)
  const other = doors.find((door) => clashes(door, address) && !isSameFolder(door.folder, base))
  if (other === undefined) return
  const { name, folder } = other
  throw failure('port-taken: app', { name, folder, address: formatAddress(other) })
}

/** Whether the kernel refuses to give both addresses to different processes. */
function clashes(one: Address, other: Address): boolean {
  const overlap = one.host === other.host || isEverywhere(one.host) || isEverywhere(other.host)
  return one.port === other.port && overlap
}

/**
 * The kernel does not give a port on all addresses to anybody while one process has it on one of them, nor the
 * reverse: the old workers hold it until the new ones serve.
 * @throws Failure `port-taken`
 */
export function assertMayMove(from: Address, to: Address): void {
  if (from.host === to.host || !clashes(from, to)) return
  throw failure('port-taken: other host', { from: formatAddress(from), to: formatAddress(to) })
}

/**
 * A proxy that leads to the old address would find nobody there, although the deploy succeeded.
 * @param from where the app listens now; empty where that is unknown
 * @throws Failure `address-differs` unless the run names the new address itself
 */
export function assertMoveIsMeant(from: readonly Address[], to: Address, said: Said): void {
  const [first] = from
  if (first === undefined || from.some((address) => takesOver(to, address))) return
  const samePort = from.some(({ port }) => port === to.port)
  if (said.port === to.port || (samePort && said.host === to.host)) return
  const now = [...new Set(from.map(formatAddress))].join(', ')
  throw failure('address-differs', {
    now,
    next: formatAddress(to),
    nextPort: to.port,
    port: first.port,
    host: first.host,
  })
}

function takesOver(to: Address, { host, port }: Address): boolean {
  return port === to.port && (host === to.host || isEverywhere(to.host))
}

/** Names the process, as far as this user may see it. */
function portTaken(address: string, port: number, pid: number | undefined): Failure {
  if (pid === undefined) return failure('port-taken', { holder: 'Another process', address, port })
  const command = commandOf(pid)
  const [, home] = /^PM2 .*God Daemon \((.+)\)/.exec(command) ?? []
  if (home !== undefined) return failure('port-taken: daemon', { home, pid, address })
  // Not the arguments: they may contain a secret.
  const holder = `Another process (${pid}, ${command.split(' ')[0]})`
  return failure('port-taken', { holder, address, port })
}

/**
 * The daemon counts only where it holds this very port for this app: it gives a second app the same socket, and
 * visitors would reach either app (PM2 5 to 7).
 */
function ownersOf(port: number, { processes, records, daemon, addresses }: PortUsers): readonly number[] {
  const running = processes.filter(({ status }) => status === 'online' || status === 'launching')
  const recordOf = (pid: number) => records.find((record) => record.pid === pid)
  const throughDaemon =
    records.some(({ candidate, doorPort }) => !candidate && doorPort === port) ||
    // Somebody else started the process, and as far as is known it listens there.
    (running.some(({ pid, mode }) => mode === 'cluster_mode' && recordOf(pid) === undefined) &&
      (addresses.length === 0 || addresses.some((address) => address.port === port)))
  // `pm2 start npm -- start` and the like: PM2's process started what listens, and stops it too.
  const own = withDescendants(running.map(({ pid }) => pid))
  const orphans = orphansIn(records).map(({ pid }) => pid)
  return [...own, ...orphans, ...(throughDaemon && daemon !== null ? [daemon] : [])]
}

function tryListen(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error) => resolve(error))
    server.listen({ host, port }, () => server.close(() => resolve(null)))
  })
}
