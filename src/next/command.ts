import { execFile } from 'node:child_process'
import type { Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { withoutSequences } from '../common/terminal.ts'
import { exec } from '@actions/exec'
import { which } from '@actions/io'
import { leftovers } from './leftovers.ts'

export interface Command {
  /** The program and its arguments. No shell interprets them unless the program is one. */
  readonly argv: readonly string[]
  readonly directory: string
  /** The user's script, where `argv` is a shell: it may contain a secret. */
  readonly script?: string
}

export interface CommandResult {
  /** Whether it ran and exited with 0. */
  readonly ok: boolean
  /** How it ended, to follow its name: `failed with exit code 3`. */
  readonly end: string
  /** Whether the kernel may have killed it, as it does when memory runs out. */
  readonly killed: boolean
  /** Whether the program could not even be started. */
  readonly missing: boolean
  /** The last lines of standard output and standard error, without colours. */
  readonly lastLines: string
}

/** How long output may still arrive after the exit, in ms: a daemon that the command left behind never closes it. */
const CLOSE_TIMEOUT_MS = 3_000
const LAST_LINES = 200
const MAX_CHARACTERS = 64 * 1024

/**
 * Runs a command, shows its output, and keeps the last lines. Never rejects: a failure is part of the result. Then the
 * processes that the command left behind have ended, and nothing of theirs reaches the log.
 */
export async function runCommand(
  { argv, directory, script }: Command,
  env: NodeJS.ProcessEnv,
  log: Writable,
): Promise<CommandResult> {
  const [program = '', ...args] = argv
  const tail = keepTail()
  if ((await which(program)) === '') {
    const lastLines = `${program} is not on the PATH`
    return { ok: false, end: 'could not be started', killed: false, missing: true, lastLines }
  }
  log.write(`[command]${argv.join(' ')}\n`)
  // @actions/exec 3.0.0 leaves standard input open, so that a tool which asks a question waits for ever: the
  // shell closes it, then becomes the program with its arguments unchanged, or runs the script.
  const words = script === undefined ? ['-c', 'exec "$0" "$@" </dev/null', program, ...args] : SCRIPT_WORDS
  const left = leftovers()
  const code: number | null = await exec('/bin/sh', words, {
    cwd: directory,
    env: definedIn({ ...env, ...left.variables, ...(script === undefined ? {} : { [SCRIPT]: script }) }),
    silent: true,
    ignoreReturnCode: true,
    delay: CLOSE_TIMEOUT_MS,
    listeners: { stdout: tail.stream(log), stderr: tail.stream(log) },
  }).finally(tail.close)
  await left.end()
  return {
    ok: code === 0,
    end: endOf(code),
    killed: code === null || code === 128 + 9,
    missing: code === NOT_FOUND,
    lastLines: tail.lastLines(),
  }
}

/** Every user of a machine can read its command lines; only the same user can read the environment of a process. */
const SCRIPT = 'GAPLESS_SCRIPT'
const SCRIPT_WORDS = ['-e', '-c', `script="$${SCRIPT}"; unset ${SCRIPT}; exec </dev/null; eval "$script"`]

/** Asks a program for its version. @returns such as `1.22.22`, or undefined when there is none or it does not say */
export async function versionOf(
  program: string,
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = { cwd: directory, env, timeout: VERSION_TIMEOUT_MS }
    const child = execFile(program, ['--version'], options, (error, stdout) => {
      resolve(
        error === null ? /^v?(\d+\.\d+\.\d+\S*)$/m.exec(stdout.slice(0, LONGEST_VERSION))?.[1] : undefined,
      )
    })
    child.stdin?.end()
  })
}

/** In characters: corepack prints what it downloads before the version. */
const LONGEST_VERSION = 1000
/** corepack's shims download the real program. */
const VERSION_TIMEOUT_MS = 60_000

const NOT_FOUND = 127

function endOf(code: number | null): string {
  if (code === null) return 'was killed'
  return code === NOT_FOUND ? 'could not be started' : `failed with exit code ${code}`
}

function definedIn(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function keepTail() {
  let tail = ''
  let truncated = false
  let closed = false
  return {
    stream(log: Writable): (chunk: Buffer) => void {
      // One decoder for each stream: a chunk can end in the middle of a character.
      const decoder = new StringDecoder('utf8')
      return (chunk) => {
        if (closed) return
        log.write(chunk)
        tail += decoder.write(chunk)
        truncated ||= tail.length > MAX_CHARACTERS
        tail = tail.slice(-MAX_CHARACTERS)
      }
    },
    /** A process that hides from `leftovers` still holds the streams (@actions/exec 3.0.0 keeps reading them). */
    close(): void {
      closed = true
    },
    lastLines(): string {
      const lines = withoutSequences(tail).trimEnd().split(/\r?\n/)
      // Half a line could hold half a secret, which the runner does not mask.
      return lines
        .slice(truncated ? 1 : 0)
        .slice(-LAST_LINES)
        .join('\n')
    },
  }
}
