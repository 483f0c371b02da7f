/**
 * How long the old workers may stay beside a release on trial: the one place that all time limits of an activation
 * are added up in.
 *
 * PM2 tells an old worker to leave as soon as its successor is ready, and kills it `kill_timeout` after that. It must
 * serve on until the verdict, and where that is a failure until the way back has come to its end: the failed release's
 * workers close their doors and drain before PM2 starts the old release in their place, and until then nobody else
 * listens. So the old workers stay for as long as the activation says, at the most for the sum of all that it may
 * wait for, and `kill_timeout` has their own drain on top of that.
 *
 * Only `post-activate` has no part in the sum beyond a minute: it may take half an hour, and a `kill_timeout` of that
 * length would keep whoever restarts a hung app by hand waiting as long. A release that the old workers cannot outlast
 * on the way back has been observed to serve by then, and goes on until an ordinary reload has put the old one in
 * its place: see restore.ts. The old workers say themselves how long they have left.
 */
import type { Runtime } from '../../protocol/messages.ts'

/** Of `post-activate`, and of all that has no limit of its own, in ms. */
const HOOK = 60_000
/** A last question to the workers, which may go unanswered, and one to the port: see health.ts. In ms. */
const ANSWERS = 20_000
/** Closing the door, PM2's polling and the launcher's own cleanup come on top of a drain, in ms. */
const MARGIN = 20_000

export interface Times {
  /** Until new workers serve, all at once, in ms. */
  readonly boot: number
  /** How long the way back takes beside workers that stay, in ms. */
  readonly heal: number
  /** After this no worker drains any more that is alive, in ms. */
  readonly drain: number
  /** How long an old worker may stay after it was told to leave, in ms. */
  readonly stay: number
  /** PM2's limits, in ms. */
  readonly listen: number
  readonly kill: number
}

/** @param releases on either side: workers of each may be the ones that stay, drain or boot */
export function timesOf(releases: readonly Runtime[]): Times {
  const longest = (of: (runtime: Runtime) => number) => Math.max(...releases.map(of))
  const observe = longest(({ observeMs }) => observeMs)
  const drained = longest(({ drainTimeoutMs }) => drainTimeoutMs) + MARGIN / 2
  const drain = drained + MARGIN / 2
  const boot = longest(({ health, observeMs }) => health.timeoutMs + observeMs)
  const heal = drain + longest(({ health }) => health.timeoutMs)
  const stay = boot + observe + ANSWERS + HOOK + heal
  return { boot, heal, drain: drained, stay, listen: 2 * boot + HOOK, kill: stay + drain }
}
