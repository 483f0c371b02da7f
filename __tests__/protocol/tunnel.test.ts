import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { buffer } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from '@jest/globals'
import { createTunnel, type Tunnel } from '../../src/protocol/tunnel.ts'
import { until } from '../support/until.ts'

const opened: { close(): unknown }[] = []
const sockets = new Set<Socket>()
afterEach(() => {
  for (const each of opened.splice(0)) each.close()
  for (const socket of sockets) socket.destroy()
  sockets.clear()
})

async function listen(server: Server): Promise<number> {
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  opened.push(server)
  return (server.address() as AddressInfo).port
}

/** A tunnel to the port of a server. Frames wait for a turn of the event loop each, and are counted. */
async function tunnelTo(server: Server) {
  const port = await listen(server)
  const seen = { frames: 0, bytes: 0 }
  const carried = (to: () => Tunnel) => async (frame: Buffer) => {
    await setImmediate()
    seen.frames += 1
    seen.bytes += frame.length
    to().receive(frame)
  }
  const far: Tunnel = createTunnel({
    send: carried(() => near),
    connect: () => connect({ port, host: '127.0.0.1', allowHalfOpen: true }),
  })
  const near: Tunnel = createTunnel({ send: carried(() => far) })
  const door = createServer({ allowHalfOpen: true }, (socket) => near.carry(socket))
  return { port: await listen(door), near, far, seen }
}

function dial(port: number, options: object = {}): Socket {
  const socket = connect({ port, host: '127.0.0.1', ...options })
  sockets.add(socket.on('error', () => undefined))
  return socket
}

/** Waits until nothing is carried any more. @returns the bytes until then */
async function stands(seen: { readonly bytes: number }): Promise<number> {
  let [last, since] = [0, 0]
  await until('nothing more is carried', () => {
    if (seen.bytes !== last) [last, since] = [seen.bytes, performance.now()]
    return last > 0 && performance.now() - since > 300
  })
  return last
}

/** Resolves with how it ended. */
const closeOf = (socket: Socket) =>
  new Promise<string>((resolve) => {
    let how = 'in order'
    socket.on('error', ({ message }) => (how = message))
    socket.on('close', () => resolve(how)).resume()
  })

const echo = () => createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket))

describe('a tunnel', () => {
  test('carries 40 connections side by side, each unchanged', async () => {
    const { port } = await tunnelTo(echo())
    const sent = Array.from({ length: 40 }, (_, index) => randomBytes(1000 * index + 300_000))
    const received = sent.map(async (bytes) => {
      const socket = dial(port, { allowHalfOpen: true })
      socket.end(bytes)
      return buffer(socket)
    })
    const equal = (await Promise.all(received)).map((bytes, index) => bytes.equals(sent[index]!))
    expect(equal).toEqual(sent.map(() => true))
  })

  test('carries HTTP over one kept connection, with large bodies', async () => {
    const { port } = await tunnelTo(http.createServer((request, response) => void request.pipe(response)))
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    opened.push({ close: () => agent.destroy() })
    const post = async (body: Buffer) => {
      const request = http.request({ port, host: '127.0.0.1', method: 'POST', agent }).end(body)
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      return { again: request.reusedSocket, same: (await buffer(response)).equals(body) }
    }
    expect(await post(randomBytes(300_000))).toEqual({ again: false, same: true })
    expect(await post(randomBytes(300_000))).toEqual({ again: true, same: true })
  })

  test('leaves a half open that is still answered', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().on('end', () => socket.end('after your end'))
    })
    const { port } = await tunnelTo(server)
    const socket = dial(port, { allowHalfOpen: true })
    socket.end('all of it')
    expect((await buffer(socket)).toString()).toBe('after your end')
  })

  test('stops reading from a sender whose receiver does not read, and from no other', async () => {
    const server = createServer((socket) => {
      socket.once('data', (first: Buffer) => {
        if (first.toString().startsWith('stuck')) socket.pause()
        else socket.end('at once')
      })
    })
    const { port, seen } = await tunnelTo(server)
    const stuck = dial(port)
    stuck.write('stuck')
    const more = () => {
      while (stuck.writable && stuck.write(Buffer.alloc(64 * 1024)));
    }
    stuck.on('drain', more)
    more()
    await stands(seen)
    expect(seen.bytes).toBeLessThan(20_000_000)
    expect((await buffer(dial(port).end('quick'))).toString()).toBe('at once')
  })

  test('stops reading from a server whose client does not read', async () => {
    const endless = createServer((socket) => {
      const more = () => {
        while (socket.writable && socket.write(Buffer.alloc(64 * 1024)));
      }
      socket.on('drain', more)
      more()
    })
    const { port, seen } = await tunnelTo(endless)
    const socket = dial(port).pause()
    await once(socket, 'connect')
    const last = await stands(seen)
    expect(seen.bytes).toBeLessThan(20_000_000)
    let read = 0
    socket.on('data', (chunk: Buffer) => (read += chunk.length))
    socket.resume()
    await until('it goes on', () => read > 3 * last)
  })

  test('passes on that a connection broke off, on either side', async () => {
    const broken = createServer((socket) => void socket.once('data', () => socket.resetAndDestroy()))
    const { port } = await tunnelTo(broken)
    const socket = dial(port)
    socket.write('x')
    expect(await closeOf(socket)).toContain('ECONNRESET')

    let closedThere = false
    const { port: second } = await tunnelTo(
      createServer((there) => {
        void closeOf(there).then(() => (closedThere = true))
      }),
    )
    const leaving = dial(second)
    await once(leaving, 'connect')
    leaving.write('x')
    leaving.resetAndDestroy()
    await until('it is closed there', () => closedThere)
  })

  test('resets a connection that nobody takes', async () => {
    const gone = createServer()
    const { port } = await tunnelTo(gone)
    gone.close()
    const socket = dial(port)
    socket.write('x')
    expect(await closeOf(socket)).toContain('ECONNRESET')
  })

  test('resets all connections when it is closed, and takes no more', async () => {
    const { port, near } = await tunnelTo(echo())
    const socket = dial(port)
    socket.write('x')
    await once(socket, 'data')
    const closed = closeOf(socket)
    near.close()
    expect(await closed).toContain('ECONNRESET')
    expect(await closeOf(dial(port))).toContain('ECONNRESET')
  })
})

describe('a side that breaks the rules', () => {
  const frame = (id: number, kind: number, payload = Buffer.alloc(0)) => {
    const header = Buffer.alloc(5)
    header.writeUInt32BE(id)
    header.writeUInt8(kind, 4)
    return Buffer.concat([header, payload])
  }
  const OPEN = 1

  test('is refused: no header, a stream that nobody may open or that is there, an unknown kind', async () => {
    const port = await listen(echo())
    const make = (mayOpen: boolean) =>
      createTunnel({
        send: async () => undefined,
        ...(mayOpen ? { connect: () => dial(port) } : {}),
      })
    expect(() => make(true).receive(Buffer.alloc(4))).toThrow('4 bytes')
    expect(() => make(false).receive(frame(1, OPEN))).toThrow('cannot be opened')
    const tunnel = make(true)
    tunnel.receive(frame(1, OPEN))
    expect(() => tunnel.receive(frame(1, OPEN))).toThrow('cannot be opened')
    expect(() => tunnel.receive(frame(1, 9))).toThrow('kind 9')
    expect(() => tunnel.receive(frame(1, 4))).toThrow('no size')
    tunnel.close()
  })

  test('cannot fill the memory by ignoring a window', async () => {
    const port = await listen(createServer((socket) => void socket.pause()))
    const tunnel = createTunnel({ send: async () => undefined, connect: () => dial(port) })
    tunnel.receive(frame(1, OPEN))
    const piece = Buffer.alloc(64 * 1024)
    expect(() => {
      for (let sent = 0; sent < 100; sent += 1) tunnel.receive(frame(1, 2, piece))
    }).toThrow('more than its window')
    tunnel.close()
  })

  test('gets no answer about a stream that has gone', () => {
    const told: Buffer[] = []
    const tunnel = createTunnel({ send: async (bytes) => void told.push(bytes) })
    tunnel.receive(frame(7, 2, Buffer.from('x')))
    tunnel.receive(frame(7, 5))
    expect(told).toEqual([])
  })
})
