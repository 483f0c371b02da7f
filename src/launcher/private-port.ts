/**
 * Turns the app's own `listen` on the public port into one on a private port of this process, so that the
 * app can be asked before anybody else reaches it.
 */
import { Server as HttpServer } from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
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
 * The server goes on reporting the public address: Next takes its own port from `server.address()`, and
 * `request.url` would name the private one (seen in Next 16).
 */
export function capturePublicServer(
  publicHost: string,
  publicPort: number,
  ownPorts: OwnPorts,
): Promise<PrivateServer> {
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
      const family = net.isIPv6(publicHost) ? 'IPv6' : 'IPv4'
      server.address = () => ({ address: publicHost, port: publicPort, family })
      const callback = args.find((argument) => typeof argument === 'function') as (() => void) | undefined
      // `exclusive`: in a cluster worker, a socket of its own instead of one shared through the daemon.
      return listen.call(server, { host: '127.0.0.1', port: 0, exclusive: true }, callback)
    }
  })
}
