/** Which TCP sockets listen on this machine, and which processes hold them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect } from 'node:net'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Listening extends Address {
  /** Inode of the socket. */
  readonly inode: string
}

/** The state of a listening socket in /proc/net/tcp. */
const LISTEN = '0A'

export function listeningSockets(): readonly Listening[] {
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
    return state === LISTEN ? [{ host: toText(host), port: Number.parseInt(port, 16), inode }] : []
  })
}

/** @param pid of a process of this user: sockets of other users cannot be seen */
export function heldBy(pid: number, sockets: readonly Listening[]): readonly Listening[] {
  const inodes = new Set(inodesOf(pid))
  return sockets.filter(({ inode }) => inodes.has(inode))
}

const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

export function isEverywhere(host: string): boolean {
  return EVERYWHERE.has(host)
}

export function formatAddress({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Returns an address that reaches a server which listens on all addresses. */
export function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/** How long a server on this machine may take to accept a connection, in ms. */
const ACCEPT = 2000

export function acceptsConnections({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: reachable(host), port, timeout: ACCEPT })
    const end = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}

function inodesOf(pid: number): readonly string[] {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).flatMap((name) => {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkIfThere(`${folder}/${name}`))?.[1]
      return inode ?? []
    })
  } catch {
    return []
  }
}

function readlinkIfThere(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/**
 * The kernel writes an address as words of 32 bits in the machine's byte order, which is little-endian where
 * Node runs.
 */
function toText(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse())
  const tail = bytes.slice(-4).join('.')
  if (bytes.length === 4) return tail
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []
  if (groups.slice(0, 6).join('') === '0'.repeat(20) + 'ffff') return tail
  // A URL shortens an IPv6 address.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
