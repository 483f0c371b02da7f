/** Which TCP sockets this machine has, and who holds them. Linux only, as the servers are. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface Address {
  readonly host: string
  readonly port: number
  /** A preview's Unix socket: then nothing listens on the port. */
  readonly socket?: string | null
}

export interface Listening extends Address {
  /** Of the socket. */
  readonly inode: string
}

interface TcpSocket extends Listening {
  readonly listens: boolean
}

/** The kernel's word for a listening socket in /proc/net/tcp. */
const LISTEN = '0A'

export function listeningSockets(): readonly Listening[] {
  return tcpSockets().filter(({ listens }) => listens)
}

/** Those that a process has accepted from the sockets that it listens on, and not closed. */
export function acceptedBy(pid: number): readonly Listening[] {
  const sockets = heldBy(pid, tcpSockets())
  const ports = new Set(sockets.filter(({ listens }) => listens).map(({ port }) => port))
  return sockets.filter(({ listens, port }) => !listens && ports.has(port))
}

function tcpSockets(): readonly TcpSocket[] {
  const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => {
    try {
      return readFileSync(file, 'utf8').split('\n').slice(1)
    } catch {
      return []
    }
  })
  return lines.flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
    const [host = '', port = ''] = local.split(':')
    if (port === '') return []
    return [{ host: toText(host), port: Number.parseInt(port, 16), inode, listens: state === LISTEN }]
  })
}

/** Whether the descriptors of a process can be seen. */
export function isVisible(pid: number): boolean {
  try {
    readdirSync(`/proc/${pid}/fd`)
    return true
  } catch {
    return false
  }
}

/**
 * @param pid of a process of this user's: nobody else's sockets can be seen
 * @returns those of the sockets that it has open, each with its file descriptor
 */
export function heldBy<Socket extends Listening>(
  pid: number,
  sockets: readonly Socket[],
): readonly (Socket & { readonly fd: number })[] {
  const descriptors = new Map(socketsOf(pid).map(({ inode, fd }) => [inode, fd]))
  return sockets.flatMap((socket) => {
    const fd = descriptors.get(socket.inode)
    return fd === undefined ? [] : [{ ...socket, fd }]
  })
}

/** The file descriptor under which a process of this user holds a socket, or null. */
export function descriptorOf(pid: number, inode: string): number | null {
  return socketsOf(pid).find((socket) => socket.inode === inode)?.fd ?? null
}

function socketsOf(pid: number): readonly { readonly fd: number; readonly inode: string }[] {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).flatMap((name) => {
      const inode = inodeAt(`${folder}/${name}`)
      return inode === null ? [] : [{ fd: Number(name), inode }]
    })
  } catch {
    return []
  }
}

/** @param link of a descriptor in /proc @returns null where that is no socket, or gone */
export function inodeAt(link: string): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.[1] ?? null
  } catch {
    return null
  }
}

/** The kernel writes an address as words of 32 bits, each in the order of the machine: little-endian where Node runs. */
function toText(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse())
  const tail = bytes.slice(-4).join('.')
  if (bytes.length === 4) return tail
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []
  if (groups.slice(0, 6).join('') === '0'.repeat(20) + 'ffff') return tail
  return kernelAddress(groups.join(':'))
}

/** @param address of IPv4 or IPv6, in any spelling @returns the one that `listeningSockets` has */
export function kernelAddress(address: string): string {
  if (!address.includes(':')) return address
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? []
  if (mapped !== undefined) return mapped
  // A URL has the short form. It takes no zone, and the kernel tells none.
  return new URL(`http://[${address.replace(/%.*/, '')}]`).hostname.slice(1, -1)
}
