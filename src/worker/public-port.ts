/**
 * The way to the app's public port. PM2's daemon binds it for all workers, and cannot while orphans listen there: then a
 * worker passes their socket on to the daemon, so that no connection is refused and none that waits is reset.
 */
import cluster from 'node:cluster'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Address,
  descriptorOf,
  heldBy,
  type Listening,
  listeningSockets,
} from '../common/listening-sockets.ts'
import type { FrontDoor } from './front-door.ts'
import { giftOf } from './orphan.ts'
import { inodeOf, type ListeningSocket, takeSocket } from './pass-socket.ts'
import { siblings } from './siblings.ts'

/** How long a worker tries to get the port from orphans, in ms. */
const PATIENCE = 10_000
const PAUSE = 50
/** How long orphans may take to listen themselves, in ms. */
const FIRST = 1000

/** @returns the port. Rejects when it is taken (`EADDRINUSE`) or not allowed (`EACCES`). */
export async function openPublicPort(door: FrontDoor, address: Address, records: string): Promise<number> {
  const begun = performance.now()
  const waited = () => performance.now() - begun
  for (;;) {
    try {
      return await door.open((server) => server.listen({ ...address }))
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
      if (!isTaken || cluster.worker === undefined || waited() > PATIENCE) throw error
      const fd = descriptorInDaemon(address)
      const port = fd === null ? null : await door.open((server) => server.listen({ fd })).catch(() => null)
      if (port !== null) return port
      const orphans = siblings(records).filter(
        ({ orphaned, doorPort }) => orphaned !== null && doorPort === address.port,
      )
      const listening = orphans
        .map(({ pid }) => pid)
        .filter((pid) => heldBy(pid, socketsAt(address)).length > 0)
      // Workers that have just become orphans may not listen yet.
      const isElsewhere = listening.length === 0 && waited() > FIRST
      if (fd === null && (orphans.length === 0 || isElsewhere)) throw error
      if (fd === null) await passOn(listening.map((pid) => giftOf(records, pid)))
      await delay(PAUSE)
    }
  }
}

/** Passes the socket of the first who gives it to the daemon. */
async function passOn(gifts: readonly string[]): Promise<void> {
  for (const gift of gifts) {
    const socket = await takeSocket(gift)
    if (socket !== null) return giveToDaemon(socket)
  }
}

/** Where the daemon has a listening socket that it did not bind itself: it is reached by its descriptor alone. */
function descriptorInDaemon(address: Address): number | null {
  const [held] = heldBy(process.ppid, socketsAt(address))
  return held === undefined ? null : descriptorOf(process.ppid, held.inode)
}

function socketsAt({ host, port }: Address): readonly Listening[] {
  return listeningSockets().filter((socket) => socket.port === port && socket.host === host)
}

/** PM2 keeps what a worker sends it, and does nothing with it (5.4 to 7): the descriptor stays open there. */
async function giveToDaemon(socket: ListeningSocket): Promise<void> {
  const inode = inodeOf(socket)
  const handle = socket as unknown as Parameters<NonNullable<typeof process.send>>[1]
  process.send?.({ gapless: 'the public port' }, handle)
  const begun = performance.now()
  while (descriptorOf(process.ppid, inode) === null && performance.now() - begun < 1000) await delay(5)
  socket.close()
}
