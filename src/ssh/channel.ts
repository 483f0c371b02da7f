import { Duplex } from 'node:stream'
import type { Readable } from 'node:stream'
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
 * A running remote command: its stdin and stdout. Both `stderr` and stdout must be read, they share one
 * window of 2 MiB. When the connection drops, reading and writing fail with `connection-lost` rather than end.
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
    stream.once('close', () => reject(stream.errored ?? statusMissing()))
    void lost.then(reject)
  })
  // Who awaits neither the status nor the stream must not bring the process down.
  exit.catch(() => {})
  stream.on('error', () => {})
  stream.stderr.on('error', () => {})
  // ssh2 gives its own channels an exit() method, which is for servers only.
  return Object.assign(stream as Duplex & { stderr: Readable }, { exit })
}

/**
 * Ends a channel with an error. On a lost connection ssh2 (1.17) lets readers see a normal end, so that cut
 * output looks complete; its own destroy() does not take an error either, hence the one of the base class.
 */
export function breakChannel(channel: Channel, failure: Failure): void {
  if (!channel.readableEnded) Duplex.prototype.destroy.call(channel, failure)
  if (!channel.stderr.readableEnded) channel.stderr.destroy(failure)
}

function statusMissing(): Failure {
  return failure('exit-status-missing')
}
