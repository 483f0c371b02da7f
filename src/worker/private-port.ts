/**
 * Turns the app's own `listen` on the public port into one on a private port of this process, so that the
 * app can be asked before anybody else reaches it.
 */
import { Server as HttpServer } from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import { requestedAddress } from './requested-address.ts'
import type { OwnPorts } from './own-ports.ts'

export interface PrivateServer {
  readonly server: HttpServer
  /** The port on 127.0.0.1 where this process alone answers. */
  readonly port: number
}

/**
 * Waits for the first HTTP server that listens on `publicPort`. Every other `listen` is left alone.
 *
 * The server reports the address that the app asked for: Next.js takes its own port from `server.address()`, and
 * `request.url` would name the private one (seen in 16).
 */
export function capturePublicServer(publicPort: number, ownPorts: OwnPorts): Promise<PrivateServer> {
  ownPorts.lead(publicPort, null)
  return new Promise((resolve) => {
    const listen = net.Server.prototype.listen
    const capture = function (this: net.Server, ...args: unknown[]): net.Server {
      if (!(this instanceof HttpServer) || requestedAddress(args).port !== publicPort) {
        return Reflect.apply(listen, this, args) as net.Server
      }
      net.Server.prototype.listen = listen
      return listenPrivately(this, args)
    }
    net.Server.prototype.listen = capture as typeof listen

    const listenPrivately = (server: HttpServer, args: readonly unknown[]) => {
      server.once('listening', () => {
        const { port } = net.Server.prototype.address.call(server) as AddressInfo
        ownPorts.lead(publicPort, port)
        resolve({ server, port })
      })
      const address = { ...plainAddress(requestedAddress(args).host), port: publicPort }
      server.address = () => address
      const callback = args.find((argument) => typeof argument === 'function') as (() => void) | undefined
      // `exclusive`: in a cluster worker, a socket of its own instead of one shared through the daemon.
      return listen.call(server, { host: '127.0.0.1', port: 0, exclusive: true }, callback)
    }
  })
}

/** What `server.address()` says after a `listen` on this host. */
function plainAddress(host: string | undefined): Omit<AddressInfo, 'port'> {
  if (host === undefined) return hasIPv6() ? { address: '::', family: 'IPv6' } : plainAddress('0.0.0.0')
  if (net.isIPv6(host)) return { address: host, family: 'IPv6' }
  return { address: net.isIPv4(host) ? host : '127.0.0.1', family: 'IPv4' }
}

function hasIPv6(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family }) => family === 'IPv6'),
  )
}
