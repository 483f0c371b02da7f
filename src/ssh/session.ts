import type { Duplex } from 'node:stream'
import type { Client, ClientChannel } from 'ssh2'
import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'
import { breakChannel, type Channel, openChannel } from './channel.ts'
import { connectionLost, forwardRefused } from './errors.ts'

/** How long a peer may take to confirm the end of a connection, in ms. */
const LINGER = 1000

export interface Connection {
  /** `user@host:port` */
  readonly address: string
  /** Resolves when the connection is over: with the failure when it was lost, with undefined after close(). */
  readonly closed: Promise<Failure | undefined>
  /** Runs a command in the user's login shell. @throws {Failure} `connection-lost`, `exec-refused` */
  exec(command: string): Promise<Channel>
  close(): void
}

/**
 * A connection that is logged in. ssh2 (1.17) emits 'error' more than once, never calls some callbacks after a
 * keepalive timeout, and emits no 'close' for a transport that only ended, so everything races with `#over`.
 */
export class Session implements Connection {
  readonly address: string
  readonly closed: Promise<Failure | undefined>
  readonly #client: Client
  readonly #transport: Duplex
  readonly #channels = new Set<Channel>()
  readonly #over: Promise<Failure>
  #settle!: (failure: Failure) => void
  #failure: Failure | undefined
  #closing = false

  constructor(address: string, client: Client, transport: Duplex) {
    this.address = address
    this.#client = client
    this.#transport = transport
    this.#over = new Promise((resolve) => (this.#settle = resolve))
    this.closed = this.#over.then((failure) => (this.#closing ? undefined : failure))
    client.on('error', (error) => this.#lose(error))
    client.on('end', () => this.#lose())
    client.on('close', () => this.#lose())
  }

  exec(command: string): Promise<Channel> {
    return this.#request<Channel>(
      (done) =>
        this.#client.exec(command, (error, stream) =>
          error ? done(error) : done(undefined, this.#adopt(stream)),
        ),
      (cause) => failure('exec-refused', { address: this.address }, { evidence: cause.message, cause }),
    )
  }

  /** Opens a TCP connection from this server to another one. @throws {Failure} `connection-lost`, `forward-refused` */
  forward(host: string, port: number, destination: string): Promise<Duplex> {
    return this.#request<Duplex>(
      (done) => this.#client.forwardOut('127.0.0.1', 0, host, port, done),
      (error) => forwardRefused(this.address, destination, error),
    )
  }

  close(): void {
    if (this.#failure) return
    this.#closing = true
    this.#client.end()
    this.#finish(failure('connection-lost: closed', { address: this.address }))
    // A dead peer never answers the goodbye, and an open socket keeps the process alive.
    setTimeout(() => this.#transport.destroy(), LINGER).unref()
  }

  /** Must run in ssh2's callback: the exit status of a short command may be in the same packet. */
  #adopt(stream: ClientChannel): Channel {
    const channel = openChannel(stream, this.#over)
    this.#channels.add(channel)
    channel.once('close', () => this.#channels.delete(channel))
    return channel
  }

  #request<T>(
    send: (done: (error: Error | undefined, value?: T) => void) => unknown,
    refused: (error: Error) => Failure,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      void this.#over.then(reject)
      try {
        send((error, value) => (error ? reject(this.#failure ?? refused(error)) : resolve(value as T)))
      } catch (error) {
        // ssh2 throws 'Not connected' when the socket is gone.
        reject(this.#failure ?? connectionLost(this.address, error as Error))
      }
    })
  }

  #lose(cause?: Error): void {
    if (this.#failure) return
    this.#finish(connectionLost(this.address, cause))
    this.#transport.destroy()
  }

  #finish(failure: Failure): void {
    this.#failure = failure
    for (const channel of this.#channels) breakChannel(channel, failure)
    this.#settle(failure)
  }
}
