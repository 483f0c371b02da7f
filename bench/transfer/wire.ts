/**
 * A long wire for a measurement: a TCP proxy with a bandwidth and a delay, which counts what it carries.
 *
 * Both directions have the whole bandwidth. A new connection waits one round trip before it carries anything,
 * as a TCP handshake over that distance would. Losses and slow start are not imitated: they are the same for
 * every program that is measured.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface WireOptions {
  readonly targetPort: number
  /** 127.0.0.1 unless told otherwise. */
  readonly targetHost?: string
  readonly roundTripMs: number
  readonly bitsPerSecond: number
  /** Shared with other wires: the uplink of a client that uses them all. Otherwise each connection has its own. */
  readonly uplink?: Lane
}

export interface Lane {
  /** When the last of what was given to it will have set out, by this process's clock, in ms. */
  free: number
}

export interface Traffic {
  /** Bytes towards the server and back, without TCP's own. */
  readonly up: number
  readonly down: number
  /**
   * How often the client had to wait for the other end: one for each TCP connect, and one for each time that it
   * sent something after it had received something.
   */
  readonly waits: number
}

export interface Wire {
  readonly port: number
  traffic(): Traffic
  reset(): void
  stop(): Promise<void>
}

/** What may be on its way in a direction, besides the sockets' own buffers, in bytes. */
const IN_FLIGHT = 4 * 1024 * 1024

export async function startWire({
  targetPort,
  targetHost = '127.0.0.1',
  roundTripMs,
  bitsPerSecond,
  uplink,
}: WireOptions): Promise<Wire> {
  let [up, down, waits] = [0, 0, 0]
  const sockets = new Set<Socket>()
  const bytesPerMs = bitsPerSecond / 8 / 1000

  const server = createServer({ noDelay: true }, (client) => {
    waits += 1
    let heard = false
    const upstream = connect({ port: targetPort, host: targetHost, noDelay: true })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    }
    const opensAt = performance.now() + roundTripMs
    carry(client, upstream, opensAt, uplink ?? { free: 0 }, (bytes) => {
      up += bytes
      if (heard) waits += 1
      heard = false
    })
    carry(
      upstream,
      client,
      opensAt,
      { free: 0 },
      (bytes) => (down += bytes),
      () => (heard = true),
    )
  })

  /** @param sent told when bytes set out @param arrived told when they are at the other end */
  function carry(
    from: Socket,
    to: Socket,
    opensAt: number,
    lane: Lane,
    sent: (bytes: number) => void,
    arrived: () => void = () => undefined,
  ): void {
    let free = opensAt
    let inFlight = 0
    const later = inOrder()
    const delay = roundTripMs / 2
    from.on('data', (chunk: Buffer) => {
      sent(chunk.length)
      lane.free = Math.max(lane.free, opensAt, performance.now()) + chunk.length / bytesPerMs
      free = lane.free
      inFlight += chunk.length
      if (inFlight > IN_FLIGHT) from.pause()
      later(free + delay, () => {
        inFlight -= chunk.length
        if (inFlight <= IN_FLIGHT) from.resume()
        arrived()
        if (to.writable) to.write(chunk)
      })
    })
    const last = () => Math.max(free, performance.now()) + delay
    from.on('end', () => later(last(), () => to.end()))
    from.on('close', () => later(last(), () => to.destroySoon()))
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    traffic: () => ({ up, down, waits }),
    reset() {
      ;[up, down, waits] = [0, 0, 0]
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Acts at given moments, in the order in which it was asked: timers alone do not keep it within a millisecond. */
function inOrder(): (moment: number, act: () => void) => void {
  const queue: { readonly moment: number; readonly act: () => void }[] = []
  let timer: NodeJS.Timeout | undefined
  const run = () => {
    timer = undefined
    while (queue.length > 0 && queue[0]!.moment <= performance.now()) queue.shift()!.act()
    if (queue.length > 0) timer = setTimeout(run, Math.max(0, queue[0]!.moment - performance.now()))
  }
  return (moment, act) => {
    queue.push({ moment, act })
    if (timer === undefined) run()
  }
}
