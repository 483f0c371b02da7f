/** What workers have answered: counts that can be added up, and taken from each other. */
import { count, dictionary, type Guarded, list, object } from './guards.ts'

/** The counts at an earlier moment, for how things were before. */
const moment = object({
  /** Of since-boot.ts, in ms. */
  at: count,
  answered: count,
  failed: count,
})

/** What one worker has answered, without health checks, upgrades, and requests that the client itself gave up. */
export const traffic = object({
  /** Answers by the first digit of their status, from 1 to 5. */
  answers: list(count),
  /** Connections that the worker closed in the middle of an answer. */
  aborted: count,
  /** Exceptions that no handler caught. */
  errors: count,
  inProgress: count,
  slowestMs: count,
  /** Answers by how long they took: see `bucketOf`. */
  times: list(count),
  /** The longest that the event loop stood still since the last report, in ms. */
  loopDelayMs: count,
  memoryBytes: count,
  /** Failed answers by path, without the query. */
  failing: dictionary(count),
  /** Oldest first, and the closer together the younger they are. */
  past: list(moment),
})
export type Traffic = Guarded<typeof traffic>

/** Answers that say whether the worker is well: all but those to a mistake of the client (4xx). */
export function answeredBy({ answers, aborted }: Traffic): number {
  const [informed = 0, good = 0, redirected = 0, , failed = 0] = answers
  return informed + good + redirected + failed + aborted
}

/** Answers with 5xx, and connections that the worker closed in the middle. */
export function failedBy({ answers, aborted }: Traffic): number {
  return (answers[4] ?? 0) + aborted
}

/** Each bucket of times reaches so much further than the one before it. */
const STEP = 1.25

/** The bucket of an answer that took so long. The first reaches to 1 ms. */
export function bucketOf(ms: number): number {
  return ms <= 1 ? 0 : Math.ceil(Math.log(ms) / Math.log(STEP))
}

/** How long all but the slowest 5% took at the most, in ms; null where there were no answers. */
export function p95({ times }: Pick<Traffic, 'times'>): number | null {
  const all = times.reduce((total, some) => total + some, 0)
  let left = all * 0.95
  for (const [bucket, some] of times.entries()) {
    left -= some
    if (some > 0 && left <= 0) return Math.round(STEP ** bucket)
  }
  return null
}

/** The paths that failed most, the worst first. */
export function worstPaths({ failing }: Pick<Traffic, 'failing'>, most = 5): readonly [string, number][] {
  return Object.entries(failing)
    .sort(([, one], [, other]) => other - one)
    .slice(0, most)
}
