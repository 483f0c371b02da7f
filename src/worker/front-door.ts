/**
 * The front door: the shared public port of all workers, apart from the app's own server. Opening and closing
 * it decides who serves; the app behind it never notices.
 */
import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http'
import net from 'node:net'
import type { Socket } from 'node:net'
import type { ListeningSocket } from './pass-socket.ts'

/** One server of the front door. */
export interface Entrance {
  readonly port: number
  /** Where PM2's daemon listens for this process, it has none of its own, and this is of no use. */
  readonly socket: ListeningSocket
  close(): void
}

export interface FrontDoor {
  /**
   * Takes connections from one more server, which `listen` makes listen. Rejects when the address is taken
   * (`EADDRINUSE`) or not allowed (`EACCES`).
   */
  open(listen: (server: net.Server) => void): Promise<Entrance>
  /** Takes connections from a socket that listens already. */
  openOn(socket: ListeningSocket): Promise<Entrance>
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

/** Node's own, of connections that wait. */
const BACKLOG = 511

/** What a `net.Server` is behind its types (Node 18 to 24). */
interface Internal {
  _handle: ListeningSocket | null
  _listen2(address: null, port: -1, addressType: -1, backlog: number): void
}

interface Visitor {
  /** Requests being answered, upgraded connections included. */
  busy: number
  /** The newest of its answers: with it the connection may close. */
  latest: ServerResponse | null
  /** Of its whole connection, as of the last look. */
  bytesRead: number
  lastActive: number
}

interface FrontDoorOptions {
  /** Of every answer, whatever the app says about them. */
  readonly headers?: Readonly<Record<string, string>>
  /** Told of each request that comes through the door. The front door calls what it returns when the answer closes. */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => (() => void) | undefined
}

export function createFrontDoor(
  app: HttpServer,
  { headers = {}, onRequest = () => undefined }: FrontDoorOptions = {},
): FrontDoor {
  const visitors = new Map<Socket, Visitor>()
  let draining = false

  const doors: net.Server[] = []
  const welcome = (socket: Socket) => {
    visitors.set(socket, { busy: 0, latest: null, bytesRead: 0, lastActive: performance.now() })
    socket.on('close', () => visitors.delete(socket))
    app.emit('connection', socket)
  }
  const open = (listen: (server: net.Server) => void): Promise<Entrance> =>
    new Promise((resolve, reject) => {
      // The same options as Node's http.Server gives its own sockets.
      const door = net.createServer({ allowHalfOpen: true, noDelay: true }, welcome)
      door.once('error', reject)
      door.once('listening', () => {
        door.off('error', reject)
        // An error after this point is PM2's to report.
        door.on('error', (error) => console.error('gapless: the public port failed:', error))
        doors.push(door)
        resolve({
          // In a cluster worker the address is the daemon's.
          port: (door.address() as net.AddressInfo | null)?.port ?? 0,
          socket: (door as unknown as Internal)._handle!,
          close: () => void door.close(),
        })
        if (draining) door.close()
      })
      listen(door)
    })

  const isPlain = Object.keys(headers).length === 0
  const finish = (response: ServerResponse, visitor: Visitor | undefined) =>
    beforeHead(response, () => {
      const isLast = visitor === undefined || visitor.latest === response
      if (draining && isLast && hasArrived(response.req)) force(response, 'Connection', 'close')
      for (const [name, value] of Object.entries(headers)) force(response, name, value)
    })
  const arrive = (request: IncomingMessage, response: ServerResponse) => {
    const visitor = visitors.get(request.socket)
    if (draining || !isPlain) finish(response, visitor)
    if (visitor === undefined) return
    const onOver = onRequest(request, response)
    visitor.busy += 1
    visitor.latest = response
    response.on('close', () => {
      visitor.busy -= 1
      visitor.lastActive = performance.now()
      // An idle connection would keep its last answer in memory.
      if (visitor.latest === response) visitor.latest = null
      onOver?.()
    })
  }
  const upgrade = ({ socket }: IncomingMessage) => {
    const visitor = visitors.get(socket)
    if (visitor) visitor.busy += 1
  }
  const emit = app.emit.bind(app) as (...args: unknown[]) => boolean
  // Not by listeners: whoever answers in place of the app's listeners counts, too.
  app.emit = (...args: unknown[]) => {
    if (args[0] === 'request') arrive(args[1] as IncomingMessage, args[2] as ServerResponse)
    if (args[0] === 'upgrade') upgrade(args[1] as IncomingMessage)
    return emit(...args)
  }

  return {
    open,
    openOn: (socket) =>
      open((server) => {
        // A cluster worker's `listen` would ask the daemon (Node 18 to 24).
        const internal = server as unknown as Internal
        internal._handle = socket
        internal._listen2(null, -1, -1, BACKLOG)
      }),

    drain: (timeoutMs) =>
      new Promise((resolve) => {
        const begun = performance.now()
        const grace = Math.min(app.keepAliveTimeout + POLITENESS, timeoutMs)
        draining = true
        for (const door of doors) door.close()
        // What is being answered already. Before a drain no answer pays for it.
        for (const visitor of visitors.values())
          if (isPlain && visitor.latest !== null) finish(visitor.latest, visitor)

        const timer = setInterval(() => {
          const now = performance.now()
          const late = now - begun >= timeoutMs
          for (const [socket, visitor] of visitors) {
            // The rest of a body whose answer is out already, or the beginning of a request.
            if (socket.bytesRead !== visitor.bytesRead) visitor.lastActive = now
            visitor.bytesRead = socket.bytesRead
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

/** Whatever way the app takes, the head of an answer goes through `writeHead` (Node 18 to 24). */
function beforeHead(response: ServerResponse, act: () => void): void {
  const writeHead = response.writeHead as (...args: unknown[]) => ServerResponse
  response.writeHead = (...args: unknown[]) => {
    if (!response.headersSent) act()
    return writeHead.apply(response, args)
  }
}

/**
 * Whether the client has sent all of its request. If it has not, Node reads the rest away after the answer and keeps
 * the connection, unless the answer closes it: then the bytes that nobody reads reset it (18 to 24), and a client that
 * sends first and looks afterwards never sees the answer.
 */
function hasArrived({ complete, headers }: IncomingMessage): boolean {
  // Node says `complete` only after the listeners of a request without a body, too.
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  return complete || !hasBody
}

/** Sets a header, whatever the app says about it. */
function force(response: ServerResponse, header: string, forced: string): void {
  const setHeader = response.setHeader
  response.setHeader = function (name, value) {
    return setHeader.call(this, name, name.toLowerCase() === header.toLowerCase() ? forced : value)
  }
  response.setHeader(header, forced)
}
