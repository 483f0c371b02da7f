/** A stand-in for the SSH connection: a login shell of this machine runs the command, as sshd would have it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { Duplex } from 'node:stream'
import type { Remote } from '../../src/agent-client/agent-session.ts'

export interface LocalShell extends Remote {
  /** Everything that came back on standard output so far. */
  output(): string
  /** Bytes that went in. */
  sent(): number
  readonly child: ChildProcess | undefined
  /** Ends the command as a lost server does. */
  kill(): void
}

export interface LocalShellOptions {
  readonly shell?: string
  /** The whole environment of the session. */
  readonly env: Readonly<Record<string, string>>
  /** What the server’s file system is like, told by changing the command: e.g. no Node in the usual places. */
  readonly edit?: (command: string) => string
}

export function localShell({
  shell = '/bin/sh',
  env,
  edit = (command) => command,
}: LocalShellOptions): LocalShell {
  let child: ChildProcess | undefined
  let received = Buffer.alloc(0)
  let sent = 0
  return {
    async exec(command) {
      const process = spawn(shell, ['-c', edit(command)], { env, cwd: env['HOME'], detached: true })
      child = process
      process.stdin.on('error', () => undefined)
      const channel = new Duplex({
        read: () => void process.stdout.resume(),
        write(chunk: Buffer, _, done) {
          sent += chunk.length
          if (process.stdin.writable) process.stdin.write(chunk, () => done())
          else done()
        },
        final(done) {
          // Node (18 to 24) never calls back from the end of a stream that is destroyed: the command has ended already.
          if (process.stdin.destroyed) done()
          else process.stdin.end(() => done())
        },
      })
      process.stdout.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        if (!channel.push(chunk)) process.stdout.pause()
      })
      process.stdout.on('end', () => channel.push(null))
      process.once('error', (error) => channel.destroy(error))
      return Object.assign(channel, { stderr: process.stderr })
    },
    output: () => received.toString('utf8'),
    sent: () => sent,
    get child() {
      return child
    },
    kill() {
      try {
        // The shell and what it started.
        if (child?.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended.
      }
    },
  }
}
