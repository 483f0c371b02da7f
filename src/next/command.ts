import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { stripVTControlCharacters } from 'node:util'

export interface Command {
  /** The program and its arguments: no shell comes between unless the program is one. */
  readonly argv: readonly string[]
  readonly directory: string
}

export interface CommandResult {
  /** Whether it ran and exited with 0. */
  readonly ok: boolean
  /** How it ended, to follow its name: `failed with exit code 3`. */
  readonly end: string
  /** Whether it looks as if the kernel had killed it, which it does when memory runs out. */
  readonly killed: boolean
  /** Whether the program could not even be started. */
  readonly missing: boolean
  /** The last lines of standard output and standard error, without colours. */
  readonly lastLines: string
}

/** How long output may still come after the exit: a daemon that the command left behind never closes it. */
const CLOSE_TIMEOUT_MS = 3_000
const LAST_LINES = 200
const MAX_CHARACTERS = 64 * 1024

/**
 * Runs a command, shows its output as it comes, and keeps the end of it. Never rejects: how it ended is data.
 *
 * Not @actions/exec 3.0.0: that leaves standard input open, so that a tool which asks a question waits for ever,
 * and when given an input, dies of an unhandled EPIPE if the program exits before reading it.
 */
export async function runCommand(
  { argv, directory }: Command,
  env: NodeJS.ProcessEnv,
  log: Writable,
): Promise<CommandResult> {
  const [program = '', ...args] = argv
  log.write(`[command]${argv.join(' ')}\n`)
  const child = spawn(program, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const lastLines = follow([child.stdout, child.stderr], log)
  const closed = once(child, 'close').catch(() => undefined)
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT_MS).unref())])
    return {
      ok: code === 0,
      end: signal === null ? `failed with exit code ${code}` : `was killed by ${signal}`,
      killed: signal === 'SIGKILL' || code === 128 + 9,
      missing: false,
      lastLines: lastLines(),
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    return { ok: false, end: 'could not be started', killed: false, missing: true, lastLines: reason }
  } finally {
    child.stdout.destroy()
    child.stderr.destroy()
  }
}

/** Shows streams in the log, and returns what gives their last lines. */
function follow(streams: readonly Readable[], log: Writable): () => string {
  let tail = ''
  let truncated = false
  for (const stream of streams) {
    // One for each stream: a chunk can end in the middle of a character.
    const decoder = new StringDecoder('utf8')
    stream.pipe(log, { end: false })
    stream.on('data', (chunk: Buffer) => {
      tail += decoder.write(chunk)
      truncated ||= tail.length > MAX_CHARACTERS
      tail = tail.slice(-MAX_CHARACTERS)
    })
  }
  return () => {
    const lines = stripVTControlCharacters(tail).trimEnd().split(/\r?\n/)
    // Half a line could hold half a secret, which the runner's masking does not know.
    return lines
      .slice(truncated ? 1 : 0)
      .slice(-LAST_LINES)
      .join('\n')
  }
}
