/** Boots a release on a spare port, through the launcher, exactly as PM2 will, and asks its health. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { askHealth } from '../../common/health.ts'
import { failure } from '../../common/errors/activation.ts'
import type { Failure } from '../../common/failure.ts'
import { formatDuration } from '../../common/format.ts'
import type { Result, Runtime } from '../../protocol/messages.ts'
import { recordCandidate } from './candidates.ts'
import { lastLines, notFoundIn } from './evidence.ts'
import { type Layout, releaseDirectory, releaseFiles } from '../store/layout.ts'
import { signal } from '../system/processes.ts'
import { readInfo } from '../store/releases.ts'
import { nodeArguments, type WorkerStart } from '../pm2/worker-start.ts'
import { readWorker } from '../pm2/workers.ts'

const POLL = 50
/** A candidate that ignores SIGTERM serves nobody and may be killed, after this many milliseconds. */
const STOP_TIMEOUT = 3000
/** What a candidate may take beyond the deadline of its health check: its start, a last answer, its stop. In ms. */
const MARGIN = 60_000

/** What uses a candidate that is healthy, before it ends. */
export interface Trial {
  /** How long it may take, in ms. */
  readonly limitMs: number
  /** @param port of the candidate, on 127.0.0.1 */
  use(port: number, found: Result<'verify'>): Promise<void>
}

/**
 * @throws Failure `candidate-died`, `candidate-unhealthy` or `candidate-silent`, with the app's last lines
 */
export async function verifyCandidate(
  layout: Layout,
  id: string,
  runtime: Runtime,
  start: WorkerStart,
  alive: () => void = () => undefined,
  trial: Trial | null = null,
): Promise<Result<'verify'>> {
  const directory = releaseDirectory(layout, id)
  const { launcher } = releaseFiles(directory)
  const { node, cwd, env, limits } = start
  const options = nodeArguments(runtime.nodeOptions, directory, (await readInfo(layout, id)).entry)
  const logFile = join(layout.incoming, `${id}.candidate.log`)
  const log = openSync(logFile, 'w+', 0o600)
  // Without a name it goes with the processes that have it open, whichever of them is killed.
  rmSync(logFile)
  const child = spawn(
    '/bin/sh',
    // It begins once it is on record.
    ['-c', `read -r go || exit\n${limits}\nexec "$0" "$@"`, node, ...options, launcher, '--candidate'],
    // A group of its own: what the app starts goes with it.
    { cwd, env, stdio: ['pipe', log, log, 'ipc'], detached: true },
  )
  const exit = new Promise<string>((resolve) => {
    child.once('error', ({ message }) => resolve(`could not start (${message})`))
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `exited with code ${code}` : `was killed by ${signal}`),
    )
  })
  let ended: string | undefined
  void exit.then((how) => (ended = how))
  let forget: (() => Promise<void>) | undefined

  try {
    forget = await begin(layout, child, runtime.health.timeoutMs + MARGIN + (trial?.limitMs ?? 0))
    const { port, found } = await watch()
    if (trial === null) return found
    const death = exit.then((ending) => {
      throw failure('candidate-died: tested', { ending }, { evidence: seenInLog().evidence })
    })
    await Promise.race([death, trial.use(port, found)])
    return { ...found, notFound: notFoundIn(endOf(log)) }
  } finally {
    await stop(child, exit)
    await forget?.()
    closeSync(log)
  }

  async function watch() {
    const { health } = runtime
    const begun = performance.now()
    let last = 'it has not listened yet'
    let attempts = 0
    for (;;) {
      if (ended !== undefined) throw died(ended)
      const worker = await readWorker(layout.workers, child.pid ?? 0)
      if (worker?.phase === 'open') {
        // The launcher has proved it on its private port; now through the door, as visitors will come.
        const answer = await askHealth('127.0.0.1', worker.doorPort, health)
        attempts += 1
        last = `${health.path} answered ${answer.detail}`
        if (answer.healthy) {
          const bootMs = Math.round(performance.now() - begun)
          const found: Result<'verify'> = {
            bootMs,
            status: answer.status,
            attempts,
            movedPorts: worker.movedPorts ?? [],
            notFound: notFoundIn(endOf(log)),
            cache: worker.cache,
          }
          return { port: worker.doorPort, found }
        }
      } else if (worker !== null && worker.detail !== '') {
        last = `${health.path} answered ${worker.detail}${worker.excerpt === '' ? '' : `: ${worker.excerpt}`}`
      }
      if (performance.now() - begun > health.timeoutMs) {
        throw late(formatDuration(health.timeoutMs), worker !== null && worker.port > 0 ? last : null)
      }
      alive()
      await delay(POLL)
    }
  }

  function died(ending: string): Failure {
    const { address, ...details } = seenInLog()
    return address === undefined
      ? failure('candidate-died', { ending }, details)
      : failure('candidate-died: address in use', { ending, address }, details)
  }

  /** @param answer the last one; null: it never listened */
  function late(limit: string, answer: string | null): Failure {
    const { address, ...details } = seenInLog()
    if (answer === null) {
      return address === undefined
        ? failure('candidate-silent', { limit }, details)
        : failure('candidate-silent: address in use', { limit, address }, details)
    }
    return address === undefined
      ? failure('candidate-unhealthy', { limit, answer }, details)
      : failure('candidate-unhealthy: address in use', { limit, answer, address }, details)
  }

  function seenInLog() {
    const text = endOf(log)
    return { address: takenAddress(text), evidence: lastLines(text) }
  }
}

/** The last address that Node found in use (18 to 24): `listen EADDRINUSE: address already in use :::9464`. */
function takenAddress(text: string): string | undefined {
  return [...text.matchAll(/\bEADDRINUSE(?:: address already in use)? (\S{1,200})/g)].at(-1)?.[1]
}

/**
 * Lets a candidate begin, on record. Its standard input is at its end, as a worker's is: whoever started PM2's daemon
 * has gone.
 * @returns what ends the record
 */
async function begin(
  layout: Layout,
  { pid, stdin }: ChildProcess,
  limitMs: number,
): Promise<(() => Promise<void>) | undefined> {
  // It may have ended already: then that is what there is to tell.
  stdin?.on('error', () => undefined)
  if (pid === undefined) return undefined
  const forget = await recordCandidate(layout, pid, limitMs)
  stdin?.end('go\n')
  return forget
}

/** In bytes. */
const LONGEST_END = 64 * 1024

/** At a position of its own: the app goes on writing where it is. */
function endOf(log: number): string {
  const { size } = fstatSync(log)
  const end = Buffer.alloc(Math.min(size, LONGEST_END))
  const length = readSync(log, end, 0, end.length, size - end.length)
  return end.toString('utf8', 0, length)
}

async function stop(child: ChildProcess, exit: Promise<string>): Promise<void> {
  const { pid } = child
  if (pid === undefined) return
  // SIGKILL to the group at the end in any case: the app may have started processes of its own.
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGTERM')
    await Promise.race([exit, delay(STOP_TIMEOUT, undefined, { ref: false })])
  }
  signal(-pid, 'SIGKILL')
  // One that hangs in the kernel is not waited for: it does nothing more.
  await Promise.race([exit, delay(STOP_TIMEOUT, undefined, { ref: false })])
}
