/** Counts what this worker answers to visitors, in memory; its record has the counts, at the latest a second later. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { HEALTH_CHECK_AGENT } from '../common/health.ts'
import { sinceBoot } from '../common/since-boot.ts'
import { answeredBy, bucketOf, failedBy, type Traffic } from '../protocol/traffic.ts'

export interface TrafficCounter {
  /** Counts a request of a visitor. @returns a function that counts the answer, to call when the answer closes */
  count(request: IncomingMessage, response: ServerResponse): (() => void) | undefined
  /** From here on connections are closed because the worker leaves. */
  leave(): void
}

/** Between two reports, in ms. */
const PAUSE = 1000
/** Paths that are told apart, and how much of each is kept. */
const MOST_PATHS = 100
const LONGEST_PATH = 200
const OTHER_PATHS = 'other paths'
/** Between two moments that are remembered, at the least, in ms. */
const APART = 5000
/** Of the event loop's clock, in ms. */
const RESOLUTION = 50

/** @param publish told of the counts when they have changed, at most once a second */
export function countTraffic(publish: (traffic: Traffic) => void): TrafficCounter {
  const answers = [0, 0, 0, 0, 0]
  const times: number[] = []
  const failing = new Map<string, number>()
  const loop = monitorEventLoopDelay({ resolution: RESOLUTION })
  let [aborted, errors, inProgress, slowestMs] = [0, 0, 0, 0]
  let past: Traffic['past'] = []
  let leaving = false
  let report: NodeJS.Timeout | undefined

  const failedAt = (path: string) => {
    const key = failing.has(path) || failing.size < MOST_PATHS ? path : OTHER_PATHS
    failing.set(key, (failing.get(key) ?? 0) + 1)
  }
  const current = (): Traffic => ({
    answers,
    aborted,
    errors,
    inProgress,
    slowestMs: Math.round(slowestMs),
    times,
    // The clock itself waits for its resolution.
    loopDelayMs: Math.max(0, Math.round(loop.max / 1e6) - RESOLUTION),
    memoryBytes: process.memoryUsage.rss(),
    failing: Object.fromEntries(failing),
    past,
  })
  const changed = () => {
    report ??= setTimeout(() => {
      report = undefined
      const now = current()
      past = remembering(past, now, sinceBoot())
      publish({ ...now, past })
      loop.reset()
    }, PAUSE).unref()
  }

  loop.enable()
  // It changes nothing about what becomes of them.
  process.on('uncaughtExceptionMonitor', () => {
    errors += 1
    changed()
  })

  return {
    count(request, response) {
      const { socket, url = '' } = request
      if (request.headers['user-agent'] === HEALTH_CHECK_AGENT) return undefined
      const begun = performance.now()
      inProgress += 1
      changed()
      return () => {
        inProgress -= 1
        changed()
        const isWhole = response.writableFinished
        if (!isWhole && (leaving || endedByClient(socket))) return
        const took = performance.now() - begun
        slowestMs = Math.max(slowestMs, took)
        const bucket = bucketOf(took)
        while (times.length <= bucket) times.push(0)
        times[bucket]! += 1
        const digit = Math.floor(response.statusCode / 100)
        if (!isWhole) aborted += 1
        else answers[digit - 1] = (answers[digit - 1] ?? 0) + 1
        if (!isWhole || digit === 5) failedAt(pathOf(url))
      }
    },
    leave: () => void (leaving = true),
  }
}

/**
 * Whether the client ended a connection in the middle. Its end arrives as the end of what it sends, or as a reset; where
 * the app or Node closes it there is neither (18 to 24).
 */
function endedByClient(socket: Socket): boolean {
  const { code = '' } = (socket.errored ?? {}) as NodeJS.ErrnoException
  return socket.readableEnded || CLIENTS_END.has(code)
}

const CLIENTS_END: ReadonlySet<string> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ETIMEDOUT',
  'ERR_HTTP_REQUEST_TIMEOUT',
])

function pathOf(url: string): string {
  return url.split('?', 1)[0]!.slice(0, LONGEST_PATH)
}

/** Adds a moment. Of any age about one is kept for each doubling, so that they stay few however long the worker lives. */
export function remembering(past: Traffic['past'], now: Traffic, at: number): Traffic['past'] {
  const last = past.at(-1)
  if (last !== undefined && at - last.at < APART) return past
  const all = [...past, { at, answered: answeredBy(now), failed: failedBy(now) }]
  for (let index = all.length - 2; index > 0; index -= 1) {
    const [older, younger] = [all[index - 1]!, all[index + 1]!]
    if (at - older.at <= 2 * (at - younger.at)) all.splice(index, 1)
  }
  return all
}
