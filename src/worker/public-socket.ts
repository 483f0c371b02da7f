/**
 * The way to a preview's public Unix socket. Its workers bind it themselves, never through PM2's daemon, so the daemon's
 * death costs no request. A new worker gets the listening socket from the one that serves: both take connections from it
 * until the old one leaves, and whichever fails, the other goes on.
 */
import { chmodSync, lstatSync, renameSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Entrance, FrontDoor } from './front-door.ts'
import { shortened } from './pass-socket.ts'
import { type Share, takeFrom } from './share.ts'
import { siblings } from './siblings.ts'

/** The user and the group of the folder, so that a proxy in that group can connect. */
const MODE = 0o660

/** @throws where something other than a socket has the path, or the folder is not writable */
export async function openPublicSocket(
  door: FrontDoor,
  path: string,
  records: string,
  share: Share,
): Promise<void> {
  const open = siblings(records).filter(({ phase }) => phase === 'open')
  const taken = isSocket(path) ? await takeFrom(open, records) : null
  const { socket } = taken === null ? await bind(door, path) : await door.openOn(taken)
  share.socket = socket
}

/** Replaces a socket that nobody listens on any more in one step. */
async function bind(door: FrontDoor, path: string): Promise<Entrance> {
  // Under another name at first: closing a socket removes the file that it was bound to (libuv, Node 18 to 24), which
  // would be the next worker's.
  const own = join(dirname(path), `.${basename(path)}.${process.pid}`)
  // In a cluster worker `exclusive` is a socket of its own.
  const entrance = await door.open((server) => server.listen({ path: shortened(own), exclusive: true }))
  chmodSync(own, MODE)
  renameSync(own, path)
  return entrance
}

/** @throws where something else is there */
function isSocket(path: string): boolean {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat !== undefined && !stat.isSocket()) throw new Error('something other than a socket is there')
  return stat !== undefined
}
