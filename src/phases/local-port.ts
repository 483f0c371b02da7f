/**
 * The port of this machine that leads to a candidate. Loopback alone is not enough on a runner that several users share:
 * each of them sees all ports in /proc/net/tcp. The same table says whose each connection is.
 */
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { once } from 'node:events'
import type { Log } from '../pipeline.ts'

export interface LocalPort {
  readonly number: number
  close(): void
}

/** @param carry gets each connection of this user's, or of root's, not read from yet */
export async function openLocalPort(
  carry: (socket: Socket) => void,
  log: Pick<Log, 'info' | 'warning'>,
): Promise<LocalPort> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { connections, canTell } = await watchOwners(port)
  let warned = false

  async function take(socket: Socket): Promise<void> {
    socket.on('error', () => undefined)
    if (canTell && !isOurs(await connections(), socket.remotePort ?? 0)) {
      socket.destroy()
      if (!warned) log.warning(REFUSED)
      warned = true
    } else if (!socket.destroyed) carry(socket)
  }
  server.on('connection', (socket) => void take(socket))
  return { number: port, close: () => void server.close() }
}

const REFUSED =
  'A connection to `BASE_URL` came from another user of this machine, and was closed. Run `test-command` and its browsers as the user of the runner.'

function isOurs(connections: readonly Entry[], local: number): boolean {
  const found = connections.filter((socket) => socket.local === local)
  const uid = process.geteuid?.()
  // A socket whose process has closed it has no inode, and nobody's name.
  return found.length > 0 && found.every((socket) => socket.inode !== 0 && [0, uid].includes(socket.uid))
}

interface Entry {
  readonly local: number
  readonly remote: number
  readonly uid: number
  readonly inode: number
}

/**
 * One look at the tables serves all connections that wait for it: a look takes a while where there are many.
 * @returns `connections`: those to this port, as of a look that begins after the call
 */
async function watchOwners(port: number) {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')} `
  const look = async () => {
    const tables = await Promise.all(TABLES.map((file) => readFile(file, 'latin1').catch(() => '')))
    return tables
      .flatMap((table) => table.split('\n'))
      .filter((line) => line.includes(hex))
      .map(parse)
  }
  let running: Promise<readonly Entry[]> = look()
  let waiting: Promise<readonly Entry[]> | null = null
  // Not on macOS and Windows, and not in every sandbox.
  const canTell = (await running).some(({ local }) => local === port)
  return {
    canTell,
    connections(): Promise<readonly Entry[]> {
      waiting ??= running.then(() => {
        waiting = null
        running = look().then((found) => found.filter(({ remote }) => remote === port))
        return running
      })
      return waiting
    },
  }
}

/** A program may connect to an IPv4 address by an IPv6 socket. */
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6']

/** `  0: 0100007F:B413 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 5416091 …` */
function parse(line: string): Entry {
  const [, local = '', remote = '', , , , , uid, , inode] = line.trim().split(/\s+/)
  const portOf = (address: string) => Number.parseInt(address.split(':')[1] ?? '', 16)
  return { local: portOf(local), remote: portOf(remote), uid: Number(uid), inode: Number(inode) }
}
