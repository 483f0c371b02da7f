/**
 * The front door: the shared public port of all workers, apart from the app's own server. Opening and closing
 * it decides who serves; the app behind it never notices.
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import net from 'node:net'
import type { Socket } from 'node:net'

export interface FrontDoor {
  /** @returns the port that was opened. Rejects when it is taken (`EADDRINUSE`) or not allowed (`EACCES`). */
  open(host: string, port: number): Promise<number>
  /**
   * Takes no new connection, lets the ones inside finish, and resolves when the last has gone, or been closed
   * at the deadline.
   */
  drain(timeoutMs: number): Promise<void>
}

/** Connections that PM2's daemon handed over just before the door closed still arrive: wait for them, in ms. */
const LINGER = 2000
const TICK = 100
/** The longest time that a polite client may keep an idle connection before it uses it again, beyond Node's
 *  own keepAliveTimeout (announced as `Keep-Alive: timeout=5` by default), in ms. */
const POLITENESS = 1000

interface Visitor {
  /** Requests being answered, upgraded connections included. */
  busy: number
  lastActive: number
}

export function createFrontDoor(app: HttpServer): FrontDoor {
  const visitors = new Map<Socket, Visitor>()
  const answering = new Set<ServerResponse>()
  let draining = false

  // The same options as Node's http.Server gives its own sockets.
  const door = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    visitors.set(socket, { busy: 0, lastActive: performance.now() })
    socket.once('close', () => visitors.delete(socket))
    app.emit('connection', socket)
  })

  app.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const visitor = visitors.get(request.socket)
    if (visitor) visitor.busy += 1
    answering.add(response)
    if (draining) closeAfter(response)
    response.once('close', () => {
      answering.delete(response)
      if (!visitor) return
      visitor.busy -= 1
      visitor.lastActive = performance.now()
    })
  })
  app.prependListener('upgrade', (request: IncomingMessage) => {
    const visitor = visitors.get(request.socket)
    if (visitor) visitor.busy += 1
  })

  return {
    open: (host, port) =>
      new Promise((resolve, reject) => {
        door.once('error', reject)
        door.listen({ host, port }, () => {
          door.off('error', reject)
          // In a cluster worker the address is the daemon's; an error after this point is PM2's to report.
          door.on('error', (error) => console.error('gapless: the public port failed:', error))
          resolve((door.address() as net.AddressInfo | null)?.port ?? port)
        })
      }),

    drain: (timeoutMs) =>
      new Promise((resolve) => {
        const begun = performance.now()
        const grace = Math.min(app.keepAliveTimeout + POLITENESS, timeoutMs)
        draining = true
        door.close()
        for (const response of answering) if (!response.headersSent) closeAfter(response)

        const timer = setInterval(() => {
          const now = performance.now()
          const late = now - begun >= timeoutMs
          for (const [socket, visitor] of visitors) {
            if (late) socket.destroy()
            // Closing sooner would reset a client that is about to use its idle connection again.
            else if (visitor.busy === 0 && now - Math.max(visitor.lastActive, begun) >= grace) socket.end()
          }
          if (visitors.size === 0 && (late || now - begun >= Math.min(LINGER, timeoutMs))) {
            clearInterval(timer)
            resolve()
          }
        }, TICK)
      }),
  }
}

/** Makes an answer the last one on its connection, whatever the app says about it. */
function closeAfter(response: ServerResponse): void {
  const setHeader = response.setHeader
  response.setHeader = function (name, value) {
    return setHeader.call(this, name, name.toLowerCase() === 'connection' ? 'close' : value)
  }
  response.setHeader('Connection', 'close')
}
