/** A way to a server on this machine that can go dead, with nothing closed, or be cut. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Proxy {
  readonly port: number
  /** The connections that are there now go dead; later ones come through. */
  freeze(): void
  /** All connections are cut once so many more bytes have gone to the server. */
  cutAfter(bytes: number): void
  /** The clients hear of an end that the server does not. */
  cutClients(): void
  /** What has gone to the server. */
  sentBytes(): number
  stop(): Promise<void>
}

export async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const clients = new Set<Socket>()
  let sent = 0
  let cutAt = Infinity
  const end = () => {
    for (const socket of sockets) socket.destroy()
  }
  const server = createServer({ allowHalfOpen: true }, (inside) => {
    const outside = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })
    clients.add(inside)
    inside.on('close', () => clients.delete(inside))
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(from)
      from.pipe(to)
      from.on('error', () => to.destroy())
      from.on('close', () => sockets.delete(from))
    }
    inside.on('data', (chunk: Buffer) => {
      sent += chunk.length
      if (sent < cutAt) return
      cutAt = Infinity
      end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    freeze() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    cutClients() {
      for (const client of clients) client.destroy()
    },
    cutAfter: (bytes) => void (cutAt = sent + bytes),
    sentBytes: () => sent,
    async stop() {
      end()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
