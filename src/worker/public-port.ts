/**
 * The way to the app's public port. PM2's daemon accepts for all workers. A worker binds the port and gives the daemon
 * the socket, of which every worker keeps a share: what waits in it outlives the daemon. While orphans listen, one of them
 * gives theirs. Where workers of an older launcher run, the daemon has bound the port itself, and nobody has a share.
 */
import cluster from 'node:cluster'
import { lookup } from 'node:dns/promises'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Address,
  descriptorOf,
  heldBy,
  isVisible,
  kernelAddress,
  type Listening,
  listeningSockets,
} from '../common/listening-sockets.ts'
import type { FrontDoor } from './front-door.ts'
import { inodeOf, type ListeningSocket, takeSocket } from './pass-socket.ts'
import { bindOwn, giftOf, type Share, takeFrom } from './share.ts'
import { siblings } from './siblings.ts'

/** How long a worker tries to get the port from others of its app, in ms. */
const PATIENCE = 10_000
const PAUSE = 50
/** How long they may take to listen, in ms. */
const FIRST = 1000
/** After a time in which the first orphan could have given the port, all are asked: it may hang. In ms. */
const TURN = 3000

/** @returns the port. Rejects when it is taken (`EADDRINUSE`) or not allowed (`EACCES`). */
export async function openPublicPort(
  door: FrontDoor,
  { host: name, port }: Address,
  records: string,
  share: Share,
): Promise<number> {
  const { address: host } = await lookup(name)
  const address = { host, port }
  const viaDaemon = async () => (await door.open((server) => server.listen({ ...address }))).port
  // Nobody sees what a daemon holds whose Node.js has capabilities of its own (`setcap`).
  if (cluster.worker === undefined || !isVisible(process.ppid)) return viaDaemon()
  const begun = performance.now()
  const waited = () => performance.now() - begun
  for (;;) {
    const bound =
      socketInDaemon(address) === undefined ? await bindForDaemon(door, address, records, share) : null
    if (bound !== null) return bound
    try {
      return await viaDaemon()
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (!isTaken || waited() > PATIENCE) throw error
      const opened = await openOnSocketInDaemon(door, address)
      if (opened !== null) {
        await takeShare(address, records, share)
        return opened
      }
      const sockets = socketsAt(address)
      const holders = siblings(records).filter(({ pid }) => heldBy(pid, sockets).length > 0)
      // Workers that have just become orphans may not listen yet.
      if (holders.length === 0 && waited() > FIRST) throw error
      const asked = waited() > TURN ? holders : holders.slice(0, 1)
      share.socket ??= await passOn(asked.map(({ pid }) => giftOf(records, pid)))
      await delay(PAUSE)
    }
  }
}

/** @returns the port; null where the address is taken, or the daemon cannot listen there */
async function bindForDaemon(
  door: FrontDoor,
  address: Address,
  records: string,
  share: Share,
): Promise<number | null> {
  const own = await bindOwn(door, address)
  if (own === null) return null
  share.socket = own.socket
  await giveToDaemon(own.socket)
  const opened = await openOnSocketInDaemon(door, address)
  // To keep it without accepting from it takes a second descriptor.
  share.socket = opened === null ? null : await takeFrom([process], records)
  own.close()
  return opened
}

/** A socket that the daemon did not bind itself is reached by its descriptor alone. @returns the port */
async function openOnSocketInDaemon(door: FrontDoor, address: Address): Promise<number | null> {
  const fd = socketInDaemon(address)?.fd
  if (fd === undefined) return null
  return door
    .open((server) => server.listen({ fd }))
    .then(
      () => address.port,
      () => null,
    )
}

async function takeShare(address: Address, records: string, share: Share): Promise<void> {
  const inode = socketInDaemon(address)?.inode
  const ifOfDaemon = (socket: ListeningSocket | null) => {
    if (socket === null || inodeOf(socket) === inode) return socket
    socket.close()
    return null
  }
  share.socket = ifOfDaemon(share.socket)
  share.socket ??= ifOfDaemon(await takeFrom(siblings(records), records))
}

/** Passes the socket of the first who gives it to the daemon. */
async function passOn(gifts: readonly string[]): Promise<ListeningSocket | null> {
  for (const gift of gifts) {
    const socket = await takeSocket(gift)
    if (socket === null) continue
    await giveToDaemon(socket)
    return socket
  }
  return null
}

/** PM2 keeps what a worker sends it, and does nothing with it (5.4 to 7): the descriptor stays open there. */
async function giveToDaemon(socket: ListeningSocket): Promise<void> {
  const inode = inodeOf(socket)
  const handle = socket as unknown as Parameters<NonNullable<typeof process.send>>[1]
  process.send?.({ gapless: 'the public port' }, handle)
  const begun = performance.now()
  while (descriptorOf(process.ppid, inode) === null && performance.now() - begun < PATIENCE) await delay(5)
}

function socketInDaemon(address: Address): { readonly fd: number; readonly inode: string } | undefined {
  return heldBy(process.ppid, socketsAt(address))[0]
}

function socketsAt({ host, port }: Address): readonly Listening[] {
  const address = kernelAddress(host)
  return listeningSockets().filter((socket) => socket.port === port && socket.host === address)
}
