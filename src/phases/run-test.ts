/** Runs `test-command` in a process group of its own, shows its output, and keeps the last lines. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { setTimeout as delay } from 'node:timers/promises'
import { formatBytes } from '../common/format.ts'
import { withoutSequences } from '../common/terminal.ts'
import { leftovers } from '../next/leftovers.ts'
import { stepEnvironment } from '../next/step-environment.ts'
import type { Log } from '../pipeline.ts'

export interface TestRun {
  readonly command: string
  readonly directory: string
  readonly variables: Readonly<Record<string, string>>
  readonly limitMs: number
  readonly signal: AbortSignal
}

export interface TestEnd {
  readonly passed: boolean
  readonly how: 'by itself' | 'late' | 'cancelled' | 'aborted'
  /** The signal to this process that ended the test. It has to be obeyed yet. */
  readonly cancelledBy: NodeJS.Signals | null
  /** To follow its name: `exited with code 3`. */
  readonly ending: string
  readonly lastLines: string
  readonly durationMs: number
}

/** How long the group may take to exit after SIGTERM, in ms. A runner kills a cancelled step 7.5 s after its SIGINT. */
const GRACE = 5000
const GRACE_OF_CANCEL = 2000
const POLL = 20
/** How long output may still arrive after the exit, in ms: a process that has left the group may hold the streams. */
const CLOSE_TIMEOUT = 3000

const SCRIPT = 'GAPLESS_SCRIPT'
/**
 * Standard input of the shell is a pipe that closes with this process: then the group kills itself. Neither that nor the
 * script is seen by the command, whose own input is empty.
 */
const SHELL = [
  '( (read -r _ <&3 || kill -KILL 0) >/dev/null 2>&1 & ) 3<&0',
  `script="$${SCRIPT}"; unset ${SCRIPT}; exec </dev/null; eval "$script"`,
].join('\n')

const CANCELS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Never rejects. Returns once every process of the command has ended. A signal to this process ends the test alone. */
export async function runTest(
  { command, directory, variables, limitMs, signal }: TestRun,
  log: Pick<Log, 'info'>,
): Promise<TestEnd> {
  const begun = performance.now()
  const left = leftovers()
  const stopped: { how: TestEnd['how']; by: NodeJS.Signals | null } = { how: 'by itself', by: null }
  const stop = new AbortController()
  const stopFor = (reason: TestEnd['how']) => {
    if (stopped.how === 'by itself') stopped.how = reason
    stop.abort()
  }
  const onSignal = (name: NodeJS.Signals) => {
    stopped.by ??= name
    stopFor('cancelled')
  }
  const onAbort = () => stopFor('aborted')
  for (const name of CANCELS) process.on(name, onSignal)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()

  const child = spawn('/bin/sh', ['-e', '-c', SHELL], {
    cwd: directory,
    env: { ...stepEnvironment(), ...variables, ...left.variables, [SCRIPT]: command },
    stdio: 'pipe',
    detached: true,
  })
  child.stdin.on('error', () => undefined)
  const lines = showLines(log)
  for (const stream of [child.stdout, child.stderr]) lines.add(stream)

  const ending = endingOf(child)
  const timer = setTimeout(() => stopFor('late'), limitMs)
  await Promise.race([ending, aborted(stop.signal)])
  clearTimeout(timer)
  signal.removeEventListener('abort', onAbort)
  if (stop.signal.aborted) await endGroup(child, stopped.by !== null ? GRACE_OF_CANCEL : GRACE)
  signalGroup(child, 'SIGKILL')
  child.stdin.destroy()
  const words = await ending
  await left.end()
  await lines.closed()
  for (const name of CANCELS) process.off(name, onSignal)
  return {
    passed: stopped.how === 'by itself' && words === PASSED,
    how: stopped.how,
    cancelledBy: stopped.by,
    ending: words,
    lastLines: lines.last(),
    durationMs: Math.round(performance.now() - begun),
  }
}

const PASSED = 'exited with code 0'

function endingOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', ({ message }) => resolve(`could not be started: ${message}`))
    child.once('exit', (code, signal) => {
      if (signal !== null) return resolve(`was killed by ${signal}`)
      // A shell passes on the signal that has killed its command in this way.
      const name = Object.entries(constants.signals).find(([, number]) => code === 128 + number)?.[0]
      resolve(`exited with code ${code}${name === undefined ? '' : ` (${name})`}`)
    })
  })
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return signal.aborted ? Promise.resolve() : once(signal, 'abort')
}

/** SIGTERM lets a test close its browsers. */
async function endGroup(child: ChildProcess, graceMs: number): Promise<void> {
  const deadline = performance.now() + graceMs
  let lives = signalGroup(child, 'SIGTERM')
  while (lives && performance.now() < deadline) {
    await delay(POLL)
    lives = signalGroup(child, 0)
  }
}

/** @returns whether there is such a group */
function signalGroup({ pid }: ChildProcess, name: NodeJS.Signals | 0): boolean {
  if (pid === undefined) return false
  try {
    process.kill(-pid, name)
    return true
  } catch {
    return false
  }
}

const MOST_LINES = 200
/** Of the last lines together, in characters. */
const LONGEST_END = 64 * 1024
/** In characters. A part of a longer line could end in half a secret. */
const LONGEST_LINE = 32 * 1024
/** The log shows so much, in characters: GitHub drops what is longer, and nobody reads it. */
const LONGEST_OUTPUT = 10 * 1024 * 1024

const TOO_LONG = `(A line of more than ${formatBytes(LONGEST_LINE)} is not shown.)`

/** Shows whole lines: a secret in half a line would not be masked. */
function showLines(log: Pick<Log, 'info'>) {
  const last: string[] = []
  const streams: Promise<unknown>[] = []
  let shown = 0
  let closed = false

  function show(line: string): void {
    if (closed) return
    const text = line.length > LONGEST_LINE ? TOO_LONG : line
    last.push(text)
    if (last.length > 2 * MOST_LINES) last.splice(0, MOST_LINES)
    if (shown > LONGEST_OUTPUT) return
    shown += text.length + 1
    log.info(text)
    if (shown > LONGEST_OUTPUT) log.info(`More than ${formatBytes(LONGEST_OUTPUT)} of output are not shown.`)
  }

  return {
    add(stream: Readable): void {
      const decoder = new StringDecoder('utf8')
      let rest = ''
      stream.on('data', (chunk: Buffer) => {
        const parts = decoder.write(chunk).split('\n')
        for (const [index, part] of parts.entries()) {
          const line = index === 0 ? rest + part : part
          if (index < parts.length - 1) show(line)
          // More of it than is shown is not kept.
          else rest = line.slice(0, LONGEST_LINE + 1)
        }
      })
      const ended = once(stream, 'close').then(() => {
        if (rest !== '') show(rest)
      })
      streams.push(ended)
    },
    /** Waits for the ends of the streams, not for long. */
    async closed(): Promise<void> {
      await Promise.race([Promise.all(streams), delay(CLOSE_TIMEOUT, undefined, { ref: false })])
      closed = true
    },
    last(): string {
      let room = LONGEST_END
      const end = last.slice(-MOST_LINES)
      const first = end.findLastIndex((line) => (room -= line.length + 1) < 0) + 1
      return withoutSequences(end.slice(first).join('\n')).trimEnd()
    },
  }
}
