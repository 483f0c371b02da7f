/** The listening socket of the app's public address. Its workers pass it to each other, so that it outlives each of them. */
import { join } from 'node:path'
import type { Address } from '../common/listening-sockets.ts'
import type { Entrance, FrontDoor } from './front-door.ts'
import { giveSocket, type ListeningSocket, takeSocket } from './pass-socket.ts'
import type { WorkerRecord } from './worker-record.ts'

export interface Share {
  /** Null as long as this worker does not have it. */
  socket: ListeningSocket | null
}

/** Gives it to every other worker that asks, until this one drains. */
export function openShare(records: string, isDraining: () => boolean): Share {
  const share: Share = { socket: null }
  try {
    giveSocket(fileOf(records, process.pid), () => (isDraining() ? null : share.socket))
  } catch (error) {
    // Where there is no room for the record either, the worker must serve.
    console.error('gapless: cannot share the public port:', (error as Error).message)
  }
  return share
}

/** @returns the socket of the first that gives it, also of this worker itself; null where none does */
export async function takeFrom(
  workers: readonly Pick<WorkerRecord, 'pid'>[],
  records: string,
): Promise<ListeningSocket | null> {
  for (const { pid } of workers) {
    const socket = await takeSocket(fileOf(records, pid))
    if (socket !== null) return socket
  }
  return null
}

/** The path at which an orphan gives the socket to the workers of a new daemon, which pass it to that daemon. */
export function giftOf(records: string, pid: number): string {
  return join(records, `${pid}.gift`)
}

/** Listens on a socket of this worker's own, not through PM2's daemon. @returns null where it cannot */
export function bindOwn(door: FrontDoor, address: Address): Promise<Entrance | null> {
  // That is what `exclusive` means in a cluster worker.
  return door.open((server) => server.listen({ ...address, exclusive: true })).catch(() => null)
}

function fileOf(records: string, pid: number): string {
  return join(records, `${pid}.share`)
}
