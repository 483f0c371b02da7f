/** Counts of several workers together. */
import { count, type Guarded, nullable, object } from './guards.ts'
import { answeredBy, failedBy, p95, type Traffic } from './traffic.ts'

/** How a release did. */
export const share = object({
  /** See `answeredBy` and `failedBy` in traffic.ts. */
  answered: count,
  failed: count,
  /** How long all but the slowest 5% of the answers took at the most, in ms; null where there were none. */
  p95: nullable(count),
})
export type Share = Guarded<typeof share>

/** How some workers did together. */
export interface Tally extends Pick<Traffic, 'times' | 'failing'> {
  readonly answered: number
  readonly failed: number
}

const noTraffic: Tally = { answered: 0, failed: 0, times: [], failing: {} }

/** All that a worker has answered. */
export function tallyOf(worker: Traffic): Tally {
  const { times, failing } = worker
  return { answered: answeredBy(worker), failed: failedBy(worker), times, failing }
}

export function sum(tallies: readonly Tally[]): Tally {
  return tallies.reduce(add, noTraffic)
}

function add(one: Tally, other: Tally): Tally {
  const failing = { ...one.failing }
  for (const [path, times] of Object.entries(other.failing)) failing[path] = (failing[path] ?? 0) + times
  const length = Math.max(one.times.length, other.times.length)
  return {
    answered: one.answered + other.answered,
    failed: one.failed + other.failed,
    times: Array.from({ length }, (_, index) => (one.times[index] ?? 0) + (other.times[index] ?? 0)),
    failing,
  }
}

export function toShare(all: Tally): Share {
  return { answered: all.answered, failed: all.failed, p95: p95(all) }
}

/** Fewer answers than this are no picture of a release. */
const ENOUGH = 200

/** What a worker answered in the last `ms`, or for as much longer as it takes to know it. */
export function lately(worker: Traffic, now: number, ms: number): Tally {
  const all = tallyOf(worker)
  const from = worker.past.findLast(({ at, answered }) => now - at >= ms && all.answered - answered >= ENOUGH)
  if (from === undefined) return all
  return { ...all, answered: all.answered - from.answered, failed: all.failed - from.failed }
}
