/**
 * Many TCP connections over one channel, which need no port forwarding of the SSH server. Both sides run this; the one
 * that accepts connections opens the streams, the other one connects each to its port. A frame:
 *
 *   stream  4 bytes, big endian
 *   kind    1 byte
 *   payload
 *
 * Each stream has a window of its own, as in HTTP/2: a connection that nobody reads holds up no other, and neither side
 * keeps more than its windows in memory.
 */
import type { Socket } from 'node:net'
import { malformed } from './guards.ts'

const kind = { open: 1, data: 2, end: 3, credit: 4, reset: 5 } as const
type Kind = (typeof kind)[keyof typeof kind]

const HEADER = 5
/** What one side may send of a stream before the other side has passed it on, in bytes. */
const WINDOW = 256 * 1024
/** The last piece of a window may go beyond it: Node reads at most so much of a socket at once, in bytes. */
const LARGEST_PIECE = 64 * 1024
/** A window is given back in parts, in bytes. */
const PART = WINDOW / 4
/** Streams at once: a connection beyond is reset. */
const MOST_STREAMS = 1000

export interface Tunnel {
  /** Carries a connection that was accepted on this side. */
  carry(socket: Socket): void
  /** Takes a frame of the other side, and never waits. @throws where the other side breaks the rules */
  receive(frame: Buffer): void
  /** Resets every connection. */
  close(): void
}

export interface TunnelOptions {
  /** Sends a frame, in order, and resolves when there is room for the next. Never rejects. */
  readonly send: (frame: Buffer) => Promise<void>
  /** Begins a connection for a stream of the other side; where it is absent, the other side may open none. */
  readonly connect?: () => Socket
}

/** Of one stream. */
type Handle = (kind: number, payload: Buffer) => void

export function createTunnel({ send, connect }: TunnelOptions): Tunnel {
  const streams = new Map<number, { readonly handle: Handle; readonly reset: () => void }>()
  let lastId = 0
  let closed = false

  async function tell(id: number, what: Kind, payload: Buffer = NOTHING): Promise<void> {
    if (closed) return
    const header = Buffer.allocUnsafe(HEADER)
    header.writeUInt32BE(id, 0)
    header.writeUInt8(what, 4)
    await send(Buffer.concat([header, payload]))
  }

  /** @param socket one that allows half of it to be open */
  function attach(id: number, socket: Socket): void {
    /** What the other side takes for now, in bytes. */
    let credit = WINDOW
    let sending = false
    /** What this side has not passed on, and what of the rest it has not given back yet, in bytes. */
    let kept = 0
    let passed = 0
    const ended = { here: false, there: false }

    const goOn = () => {
      if (!sending && credit > 0) socket.resume()
    }
    const give = (bytes: number) => {
      kept -= bytes
      passed += bytes
      if (passed < PART || !streams.has(id)) return
      const amount = Buffer.allocUnsafe(4)
      amount.writeUInt32BE(passed)
      passed = 0
      void tell(id, kind.credit, amount)
    }
    const handle: Handle = (what, payload) => {
      switch (what) {
        case kind.data:
          kept += payload.length
          if (kept > WINDOW + LARGEST_PIECE) throw malformed('a stream has sent more than its window')
          socket.write(payload, () => give(payload.length))
          return
        case kind.end:
          ended.there = true
          socket.end()
          return
        case kind.credit:
          if (payload.length !== 4) throw malformed('a credit has no size')
          credit += payload.readUInt32BE(0)
          goOn()
          return
        case kind.reset:
          streams.delete(id)
          reset(socket)
          return
        default:
          throw malformed(`a stream has a frame of kind ${what}`)
      }
    }

    streams.set(id, { handle, reset: () => reset(socket) })
    // An error is followed by a close.
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      socket.pause()
      credit -= chunk.length
      sending = true
      void tell(id, kind.data, chunk).then(() => {
        sending = false
        goOn()
      })
    })
    socket.on('end', () => {
      ended.here = true
      void tell(id, kind.end)
    })
    socket.on('close', () => {
      const isKnown = streams.delete(id)
      if (isKnown && !(ended.here && ended.there)) void tell(id, kind.reset)
    })
    socket.resume()
  }

  return {
    carry(socket) {
      if (closed || streams.size >= MOST_STREAMS) return reset(socket)
      lastId += 1
      void tell(lastId, kind.open)
      attach(lastId, socket)
    },
    receive(frame) {
      if (closed) return
      if (frame.length < HEADER) throw malformed(`a stream’s frame has ${frame.length} bytes`)
      const id = frame.readUInt32BE(0)
      const what = frame.readUInt8(4)
      if (what !== kind.open) {
        // Frames may be under way to a stream that has just been reset.
        streams.get(id)?.handle(what, frame.subarray(HEADER))
        return
      }
      if (connect === undefined || streams.has(id)) throw malformed(`stream ${id} cannot be opened`)
      if (streams.size < MOST_STREAMS) attach(id, connect())
      else void tell(id, kind.reset)
    },
    close() {
      closed = true
      for (const stream of streams.values()) stream.reset()
      streams.clear()
    },
  }
}

const NOTHING = Buffer.alloc(0)

/** So that nobody takes what has arrived for all. Node has it from 18.3 on. */
function reset(socket: Socket): void {
  const { resetAndDestroy } = socket as Partial<Socket>
  if (resetAndDestroy === undefined) socket.destroy()
  else resetAndDestroy.call(socket)
}
