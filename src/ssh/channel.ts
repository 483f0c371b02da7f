import { Duplex, type Readable } from 'node:stream'
import type { ClientChannel } from 'ssh2'
import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'

export interface ExitStatus {
  /** The exit code, or null when a signal ended the command. */
  readonly code: number | null
  /** Such as `SIGTERM`. */
  readonly signal: string | undefined
}

/**
 * A running remote command: its stdin and stdout. Read both `stderr` and stdout: they share one window of 2
 * MiB. When the connection is lost, reading and writing fail with `connection-lost` instead of ending.
 */
export interface Channel extends Duplex {
  readonly stderr: Readable
  /**
   * Resolves with the status that the server reports, which may come before the last output. Rejects with
   * `connection-lost`, or `exit-status-missing` when the server closes the channel without a status.
   */
  readonly exit: Promise<ExitStatus>
}

/** @param lost resolves when the connection is over, with the reason */
export function openChannel(stream: ClientChannel, lost: Promise<Failure>): Channel {
  const exit = new Promise<ExitStatus>((resolve, reject) => {
    stream.once('exit', (code: number | null, signal?: string) => resolve({ code, signal }))
    stream.once('close', () => reject(stream.errored ?? failure('exit-status-missing')))
    void lost.then(reject)
  })
  // A caller that awaits neither the status nor the stream must not crash the process.
  exit.catch(() => {})
  stream.on('error', () => {})
  stream.stderr.on('error', () => {})
  // ssh2 gives its own channels an exit() method, which is for servers only.
  return Object.assign(stream as Duplex & { stderr: Readable }, { exit })
}

/**
 * Ends a channel with an error. On a lost connection ssh2 (1.17) shows readers a normal end, so that truncated
 * output looks complete. Its own destroy() takes no error, so this calls the base class's.
 */
export function breakChannel(channel: Channel, failure: Failure): void {
  if (!channel.readableEnded) Duplex.prototype.destroy.call(channel, failure)
  if (!channel.stderr.readableEnded) channel.stderr.destroy(failure)
}
