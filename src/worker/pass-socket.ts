/**
 * Passes a listening socket from one process to another that did not start it. Node sends sockets to child processes
 * alone, through a pipe of the kind that it calls IPC. Such a pipe over a Unix socket does it for strangers, and only
 * `process.binding` makes one (Node 18 to 24).
 */
import { openSync, rmSync } from 'node:fs'
import net from 'node:net'
import { basename, dirname } from 'node:path'
import { inodeAt } from '../common/listening-sockets.ts'

/** A listening socket of this process, as Node has it behind a `net.Server`. */
export interface ListeningSocket {
  readonly fd: number
  close(): void
}

/** What Node has behind a Unix socket. */
interface Pipe {
  readonly fd: number
  pendingHandle: ListeningSocket | null
  onread: (data: ArrayBuffer | undefined) => void
  open(fd: number): number
  connect(request: object, path: string): number
  readStart(): number
  writeUtf8String(request: object, text: string, socket: ListeningSocket): number
  close(): void
}

interface PipeBinding {
  readonly Pipe: new (kind: number) => Pipe
  readonly PipeConnectWrap: new () => { oncomplete?: (status: number) => void }
  readonly constants: { readonly IPC: number }
}

interface StreamBinding {
  readonly WriteWrap: new () => object
}

interface Bindings {
  binding(name: 'pipe_wrap'): PipeBinding
  binding(name: 'stream_wrap'): StreamBinding
}

const node = process as unknown as Bindings

/** How long whoever gives may take, in ms. */
const PATIENCE = 1000

/**
 * Gives a socket to every process that connects to this path, whose folder must be this user's alone.
 * @param choose asked each time; null: none
 */
export function giveSocket(file: string, choose: () => ListeningSocket | null): void {
  const path = shortened(file)
  rmSync(path, { force: true })
  // Nothing may be read from it: the descriptor is used once more below.
  const server = net.createServer({ pauseOnConnect: true }, (connection) => {
    connection.on('error', () => undefined)
    try {
      const socket = choose()
      if (socket !== null) send(connection, socket)
    } finally {
      connection.destroySoon()
    }
  })
  server.on('error', (error) => console.error('gapless: cannot pass the public port on:', error.message))
  // In a cluster worker without `exclusive` the daemon would listen.
  server.listen({ path, exclusive: true })
  server.unref()
  process.once('exit', () => {
    try {
      rmSync(path, { force: true })
    } catch {
      // A read-only file system: the agent removes what dead workers leave.
    }
  })
}

/** It never reads, so that Node watches the descriptor for the connection alone, which closes it. */
function send(connection: net.Socket, socket: ListeningSocket): void {
  const { Pipe, constants } = node.binding('pipe_wrap')
  const { WriteWrap } = node.binding('stream_wrap')
  const pipe = new Pipe(constants.IPC)
  pipe.open((connection as unknown as { readonly _handle: { readonly fd: number } })._handle.fd)
  // One byte fits at once: nothing is left to be sent afterwards.
  pipe.writeUtf8String(new WriteWrap(), '.', socket)
}

/** The kernel takes 107 bytes for the address of a Unix socket. */
export function shortened(file: string): string {
  if (Buffer.byteLength(file) <= 107) return file
  const folder = openSync(dirname(file), 'r')
  return `/proc/self/fd/${folder}/${basename(file)}`
}

/** @returns null where nobody gives one */
export function takeSocket(file: string): Promise<ListeningSocket | null> {
  return new Promise((resolve) => {
    let pipe: Pipe | undefined
    const timer = setTimeout(() => end(null), PATIENCE)
    const end = (socket: ListeningSocket | null) => {
      clearTimeout(timer)
      pipe?.close()
      pipe = undefined
      resolve(socket)
    }
    try {
      const { Pipe, PipeConnectWrap, constants } = node.binding('pipe_wrap')
      const taking = new Pipe(constants.IPC)
      pipe = taking
      const request = new PipeConnectWrap()
      request.oncomplete = (status) => {
        if (status !== 0) return end(null)
        taking.pendingHandle = null
        taking.onread = () => end(taking.pendingHandle)
        taking.readStart()
      }
      if (taking.connect(request, shortened(file)) !== 0) end(null)
    } catch {
      end(null)
    }
  })
}

/** The kernel's number of a socket of this process. */
export function inodeOf({ fd }: ListeningSocket): string {
  return inodeAt(`/proc/self/fd/${fd}`) ?? ''
}
