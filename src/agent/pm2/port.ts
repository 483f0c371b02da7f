/** Whether the app's port is free for it: found out before anything live is touched. */
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../common/failure.ts'
import type { Said } from '../../protocol/messages.ts'
import { isSameFolder, openDoors } from './apps.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { Pm2Process } from './client.ts'
import { orphansIn } from './orphans.ts'
import { commandOf, pids, withDescendants } from '../system/processes.ts'
import { type Address, formatAddress, heldBy, isEverywhere, listeningSockets } from '../system/sockets.ts'

export interface PortUsers {
  /** Processes that PM2 lists for the app. */
  readonly processes: readonly Pm2Process[]
  /** What its workers say of themselves. */
  readonly records: readonly WorkerRecord[]
  /** The PM2 daemon, which holds the port for the workers of every app in cluster mode. */
  readonly daemon: number | null
  /** Where those of its processes listen that somebody else started; empty where that is not known. */
  readonly addresses: readonly Address[]
}

/** @throws Failure `port-taken` or `port-forbidden` */
export async function assertPortIsOurs(host: string, port: number, users: PortUsers): Promise<void> {
  const error = await tryListen(host, port)
  if (error === null) return
  if (error.code === 'EACCES') {
    throw new Failure('port-forbidden', `the user may not listen on port ${port}`, {
      remedy: 'Use an `app-port` above 1023 behind a reverse proxy.',
    })
  }
  if (error.code === 'EADDRNOTAVAIL') {
    throw new Failure('port-taken', `${host} is not an address of the server`, {
      remedy: 'Set `app-host` to an address that the server has: 127.0.0.1, 0.0.0.0 or ::.',
    })
  }
  if (error.code !== 'EADDRINUSE') throw error
  const sockets = listeningSockets().filter((socket) => socket.port === port)
  const holds = (pid: number) => heldBy(pid, sockets).length > 0
  if (ownersOf(port, users).some(holds)) return
  const pid = pids().find(holds)
  if (pid === undefined && (await comesFree(host, port))) return
  throw portTaken(`${host}:${port}`, port, pid)
}

/** How long a process that ends may hold its sockets after nobody can see it any more, in ms. */
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
 * To a second app PM2's daemon hands the same socket, and visitors would get the one or the other (PM2 5 to 7).
 * @param base the app's folder
 * @throws Failure `port-taken` where another app of Gapless's has its door there
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
  throw new Failure(
    'port-taken',
    `The app "${name}" in "${folder}" listens on ${formatAddress(other)} already.`,
    {
      remedy:
        `Set another \`app-port\` for one of the two apps. If "${name}" is this app under its former name, ` +
        `set \`app-name: ${name}\` and its \`path\`; if nobody needs it, run \`pm2 delete ${name}\` on the server.`,
    },
  )
}

/** Whether the kernel gives both to nobody but one. */
function clashes(one: Address, other: Address): boolean {
  const overlap = one.host === other.host || isEverywhere(one.host) || isEverywhere(other.host)
  return one.port === other.port && overlap
}

/**
 * The kernel gives a port of all addresses to nobody as long as somebody has it on one of them, and the other way
 * round: the old workers have it until the new ones serve.
 * @throws Failure `port-taken`
 */
export function assertMayMove(from: Address, to: Address): void {
  if (from.host === to.host || !clashes(from, to)) return
  throw new Failure(
    'port-taken',
    `the app serves on ${from.host}:${from.port}, and cannot open ${to.host}:${to.port} beside it`,
    { remedy: 'Change `app-port` together with `app-host`, and what stands in front of the app with them.' },
  )
}

/**
 * Whoever leads to the app, such as a proxy, would find nobody where it was, though the deploy is a good one.
 * @param from where the app listens now; empty where that is not known
 * @throws Failure `address-differs` unless the run names the new address itself
 */
export function assertMoveIsMeant(from: readonly Address[], to: Address, said: Said): void {
  const [first] = from
  if (first === undefined || from.some((address) => takesOver(to, address))) return
  const samePort = from.some(({ port }) => port === to.port)
  if (said.port === to.port || (samePort && said.host === to.host)) return
  const now = [...new Set(from.map(formatAddress))].join(', ')
  throw new Failure(
    'address-differs',
    `The app listens on ${now} now, and the release would listen on ${formatAddress(to)}.`,
    {
      remedy:
        `To move the app, set \`app-port: ${to.port}\` and point the proxy there. ` +
        `To keep its address, deploy with \`app-port: ${first.port}\` and \`app-host: ${first.host}\`.`,
    },
  )
}

function takesOver(to: Address, { host, port }: Address): boolean {
  return port === to.port && (host === to.host || isEverywhere(to.host))
}

/** Who it is, as far as this user may see. */
function portTaken(address: string, port: number, pid: number | undefined): Failure {
  const command = pid === undefined ? '' : commandOf(pid)
  const [daemon, daemonHome] = /^PM2 .*God Daemon \((.+)\)/.exec(command) ?? []
  // Not the arguments: they may hold a secret of somebody's.
  const who =
    pid === undefined ? 'another process' : `another process (${pid}, ${daemon ?? command.split(' ')[0]})`
  const remedy =
    daemonHome === undefined
      ? `Stop it, or set another \`app-port\`. On the server: ss -ltnp "sport = :${port}" shows which one it is.`
      : `It is the PM2 daemon of ${daemonHome}, for another app or under another PM2_HOME than this session’s. ` +
        'Set another `app-port`, or stop the app that it runs there.'
  return new Failure('port-taken', `${who} listens on ${address} already`, { remedy })
}

/**
 * The daemon counts only where it holds this very port for this app: to a second app it would simply hand the same
 * socket, and visitors would get the one or the other (PM2 5 to 7).
 */
function ownersOf(port: number, { processes, records, daemon, addresses }: PortUsers): readonly number[] {
  const running = processes.filter(({ status }) => status === 'online' || status === 'launching')
  const recordOf = (pid: number) => records.find((record) => record.pid === pid)
  const throughDaemon =
    records.some(({ candidate, doorPort }) => !candidate && doorPort === port) ||
    // Started by somebody else, and as far as anybody knows it listens there.
    (running.some(({ pid, mode }) => mode === 'cluster_mode' && recordOf(pid) === undefined) &&
      (addresses.length === 0 || addresses.some((address) => address.port === port)))
  // `pm2 start npm -- start` and the like: what listens was started by PM2's process, and ends with it.
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
