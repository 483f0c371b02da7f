/**
 * The agent: runs on the server under its own Node (18 or later), with nothing but Node's built-ins.
 *
 *   node <agent> activate <job>      one activation, detached
 *   serve(options)                   one session, called by the bootstrap
 */
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { letHeapGrow } from '../common/memory.ts'
import { parse } from '../protocol/guards.ts'
import { job } from './activation/job.ts'
import { runJob } from './activation/server/world.ts'
import { type AgentOptions, createOperations } from './operations/index.ts'
import { serveSession } from './session.ts'
import { closeToOthers } from './system/umask.ts'

/** Called by the bootstrap with the rest of standard input. */
export function serve(options: AgentOptions, input: AsyncIterable<Buffer>): void {
  letHeapGrow()
  const write = process.stdout.write.bind(process.stdout)
  // Standard output belongs to the protocol: everything else is printed to standard error.
  process.stdout.write = process.stderr.write.bind(process.stderr)
  // The runner may be gone while an answer is under way: running work ends in order all the same.
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  const written = (bytes: Buffer) => new Promise<void>((resolve) => write(bytes, () => resolve()))
  exitAfter(serveSession(readAhead(input), written, createOperations(options)))
}

/**
 * In bytes. sshd buffers 2 MiB (OpenSSH 9.2), then the sender waits: with small files, which cost the server
 * much time for their bytes, the wire would often be idle.
 */
const READ_AHEAD = 4 * 1024 * 1024

function readAhead(input: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  return Readable.from(input, { objectMode: false, highWaterMark: READ_AHEAD })
}

function activate(jobFile: string): void {
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  process.on('SIGHUP', () => undefined)
  closeToOthers()
  exitAfter(runJob(parse(job, readFileSync(jobFile, 'utf8'), 'job')))
}

function exitAfter(work: Promise<unknown>): void {
  work.then(
    () => process.exit(0),
    (error: unknown) => {
      console.error(error)
      process.exit(1)
    },
  )
}

const [, , mode, file] = process.argv
if (mode === 'activate' && file !== undefined) activate(file)
