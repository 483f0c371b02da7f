/**
 * Whether real traffic objects to a release. Pure.
 *
 * Shares of failed answers are compared by Fisher's exact test, one-sided. A release is looked at again and again, and
 * every look could be a false alarm: look k may spend 0.1% / (k (k + 1)), which adds up to 0.1% over all looks, however
 * many there are and however they depend on each other (alpha spending: Lan and DeMets, "Discrete sequential boundaries
 * for clinical trials", Biometrika 70, 1983, with Bonferroni's inequality as the bound).
 */
import type { Tally } from '../../protocol/tally.ts'

export type Counts = Pick<Tally, 'answered' | 'failed'>

/** How likely a release that is as good as the one before is taken back, over all looks. */
const FALSE_ALARM = 0.001
/** Fewer answers say nothing. */
export const FEWEST = 20
/** A look for each growth of the answers by so much. */
const GROWTH = 1.1
/** By how much a share must be worse to matter. */
const MATTERS = 0.01

export interface Seen {
  readonly own: Counts
  /** Of the release before; null: unknown. */
  readonly before: Counts | null
  /** How many workers restarted or exited. */
  readonly restarts: number
  readonly restartsBefore: number
  /** The number of the last look; 0: there was none. */
  readonly lastLook: number
}

export type Judgement = 'restarted' | 'worse' | 'well'

export function judge({ own, before, restarts, restartsBefore, lastLook }: Seen): Judgement {
  if (restarts > restartsBefore && (before === null || !isWorse(before, own, 1))) return 'restarted'
  const look = lookAt(own.answered)
  return look > lastLook && before !== null && isWorse(own, before, look) ? 'worse' : 'well'
}

/** The number of the look that so many answers are worth: it depends on nothing but their count. 0: none. */
export function lookAt(answered: number): number {
  return answered < FEWEST ? 0 : 1 + Math.floor(Math.log(answered / FEWEST) / Math.log(GROWTH))
}

/** Whether a share is worse than another one, beyond chance, and by enough to matter. */
export function isWorse(own: Counts, other: Counts, look: number): boolean {
  if (own.answered < FEWEST || other.answered === 0) return false
  if (shareOf(own) - shareOf(other) < MATTERS) return false
  return chance(own, other) <= FALSE_ALARM / (look * (look + 1))
}

export function shareOf({ answered, failed }: Counts): number {
  return answered === 0 ? 0 : failed / answered
}

/** How likely so many of all failures, or more, are among the own answers, if both releases are alike. */
function chance(own: Counts, other: Counts): number {
  const failed = own.failed + other.failed
  const all = own.answered + other.answered
  const most = Math.min(failed, own.answered)
  let term = Math.exp(
    choose(own.answered, own.failed) + choose(other.answered, other.failed) - choose(all, failed),
  )
  let sum = 0
  for (let count = own.failed; count <= most; count += 1) {
    sum += term
    const [ownLeft, otherLeft] = [own.answered - count, failed - count]
    term *= (ownLeft * otherLeft) / ((count + 1) * (other.answered - otherLeft + 1))
    if (term < sum * 1e-12) break
  }
  return Math.min(1, sum)
}

/** The logarithm of a binomial coefficient. */
function choose(all: number, some: number): number {
  return logFactorial(all) - logFactorial(some) - logFactorial(all - some)
}

/** Stirling's series; exact to 12 digits from 10 on. */
function logFactorial(number: number): number {
  if (number < 10) {
    let product = 1
    for (let factor = 2; factor <= number; factor += 1) product *= factor
    return Math.log(product)
  }
  const series = 1 / (12 * number) - 1 / (360 * number ** 3) + 1 / (1260 * number ** 5)
  return number * Math.log(number) - number + Math.log(2 * Math.PI * number) / 2 + series
}
