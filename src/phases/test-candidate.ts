/** verify with `test-command`: the runner's own test meets the candidate through the session with its server. */
import { PassThrough } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../common/failure.ts'
import { failure } from '../common/errors/activation.ts'
import { failure as cutOff } from '../common/errors/run.ts'
import { formatLimit } from '../common/format.ts'
import type { Host } from '../hosts/host.ts'
import type { Log } from '../pipeline.ts'
import { type Result, type Said, verified } from '../protocol/messages.ts'
import { createTunnel } from '../protocol/tunnel.ts'
import { openLocalPort } from './local-port.ts'
import { runTest, type TestEnd } from './run-test.ts'

export interface Tested {
  readonly id: string
  readonly said: Said
  readonly command: string
  /** Absolute. */
  readonly directory: string
  readonly limitMs: number
}

export class Cancelled extends Error {
  readonly #signal: NodeJS.Signals

  constructor(signal: NodeJS.Signals) {
    super(`The run was cancelled (${signal}).`)
    this.#signal = signal
  }

  /** Ends this process as the signal would have. The post step reports the run. */
  async obey(): Promise<void> {
    process.kill(process.pid, this.#signal)
    // It arrives in a moment.
    await delay(OBEYED)
  }
}

/** In ms. */
const OBEYED = 1000

/** The server keeps the candidate for longer, so that the runner can end its test in order, in ms. */
const MARGIN = 60_000
/** Frames on their way to the connection. */
const MOST_WAITING = 16

/**
 * Boots the candidate, checks its health, and runs the test while it is up.
 * @throws Failure `test-failed`; `run-cut-off`, whose cause has to be obeyed; those of `verify`, among them `candidate-died` while the test ran
 */
export async function verifyWithTest(
  host: Host,
  { id, said, command, directory, limitMs }: Tested,
  log: Log,
): Promise<{ readonly found: Result<'verify'>; readonly testMs: number }> {
  const outgoing = new PassThrough({ objectMode: true, highWaterMark: MOST_WAITING })
  outgoing.on('error', () => undefined)
  const tunnel = createTunnel({
    send: (frame) =>
      new Promise((resolve) => {
        if (outgoing.writable) outgoing.write(frame, () => resolve())
        else resolve()
      }),
  })
  let isHealthy: (found: Result<'verify'>) => void
  const healthy = new Promise<Result<'verify'>>((resolve) => (isHealthy = resolve))
  const over = new AbortController()
  const call = host.agent().call(
    'verify',
    { id, said, testMs: limitMs + MARGIN, deploys: true },
    {
      body: outgoing,
      onEvent: (value) => isHealthy(verified(value, 'verify')),
      onData: (frame) => tunnel.receive(frame),
    },
  )
  // The candidate has gone: nothing is left to test.
  call.catch(() => over.abort())

  const test = async (): Promise<TestEnd> => {
    await Promise.race([healthy, call])
    const port = await openLocalPort((socket) => tunnel.carry(socket), log)
    const url = `http://127.0.0.1:${port.number}`
    log.info(`test-command started, BASE_URL is ${url}`)
    const variables = { BASE_URL: url, PLAYWRIGHT_TEST_BASE_URL: url }
    return runTest({ command, directory, variables, limitMs, signal: over.signal }, log).finally(port.close)
  }
  const end = await test().finally(() => {
    tunnel.close()
    outgoing.end()
  })
  if (end.cancelledBy !== null) {
    await call.catch(() => undefined)
    throw cutOff('run-cut-off', {}, { cause: new Cancelled(end.cancelledBy) })
  }
  const found = await call.catch((error: unknown) => {
    throw withLines(Failure.from(error), end.lastLines)
  })
  if (!end.passed) throw failureOf(end, limitMs)
  return { found, testMs: end.durationMs }
}

function failureOf({ how, ending, lastLines }: TestEnd, limitMs: number): Failure {
  const details = { evidence: lastLines }
  if (how === 'late') return failure('test-failed: late', { limit: formatLimit(limitMs) }, details)
  return failure('test-failed', { ending }, details)
}

/** What the test saw of the death of a candidate. */
function withLines(failed: Failure, lines: string): Failure {
  if (lines === '') return failed
  const own = failed.evidence === undefined ? '' : `${failed.evidence}\n\n`
  return failed.reworded(failed.message, { evidence: `${own}The last lines of \`test-command\`:\n${lines}` })
}
