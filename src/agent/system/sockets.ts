/** Addresses of servers on this machine. */
import { connect } from 'node:net'
import type { Address } from '../../common/listening-sockets.ts'

const EVERYWHERE: ReadonlySet<string> = new Set(['0.0.0.0', '::'])

export function isEverywhere(host: string): boolean {
  return EVERYWHERE.has(host)
}

export function formatAddress({ host, port, socket }: Address): string {
  return socket ?? `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Returns an address that reaches a server which listens on all addresses, or the path of its socket. */
export function reachable({ host, socket }: Pick<Address, 'host' | 'socket'>): string {
  if (socket) return socket
  if (host === '0.0.0.0') return '127.0.0.1'
  return host === '::' ? '::1' : host
}

/** How long a server on this machine may take to accept a connection, in ms. */
const ACCEPT = 2000

export function acceptsConnections({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: reachable({ host }), port, timeout: ACCEPT })
    const end = (accepted: boolean) => {
      socket.destroy()
      resolve(accepted)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}
