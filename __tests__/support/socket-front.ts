/** A TCP port in front of a Unix socket, for visitors who know only ports. It passes on every byte and every failure. */
import { connect, createServer, type Socket } from 'node:net'
import { freePort } from './port.ts'

export interface SocketFront {
  readonly url: string
  stop(): void
}

export async function startSocketFront(path: string): Promise<SocketFront> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (visitor) => {
    const app = connect({ path, allowHalfOpen: true })
    for (const [from, to] of [
      [visitor, app],
      [app, visitor],
    ] as const) {
      open.add(from)
      from.on('error', () => to.destroy())
      from.on('close', () => open.delete(from))
      from.pipe(to)
    }
  })
  const port = await freePort()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${port}`,
    stop() {
      server.close()
      for (const socket of open) socket.destroy()
    },
  }
}
