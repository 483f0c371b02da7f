/** Where an activation stands and what comes next, decided from its journal and what is seen. Pure. */
import { failure } from '../../common/errors/activation.ts'
import type { Failure } from '../../common/failure.ts'
import {
  type ActivationStep,
  type Before,
  type Canary,
  type JournalEntry,
  keptVerdict,
  type Probation,
  type Verdict,
} from '../../protocol/messages.ts'
import type { ActivationFile } from '../../worker/activation-file.ts'
import type { Times } from './stay.ts'

export type State =
  /** Before the lock. */
  | { readonly at: 'queued' }
  | { readonly at: 'prepared' }
  /** The link may have been renamed. `before` is null where the journal of version 0.1 does not say. */
  | { readonly at: 'swapped'; readonly before: Before | null }
  /** One worker serves the release; null: it does not yet. `current` is the release before meanwhile. */
  | { readonly at: 'canary'; readonly before: Before | null; readonly canary: Canary | null }
  /** All workers serve the release, and it is on probation; null: that begins now. */
  | { readonly at: 'watching'; readonly before: Before | null; readonly probation: Probation | null }
  | { readonly at: 'restoring'; readonly before: Before | null; readonly cause: Cause }
  /** Nothing is to be touched any more: the current release is another activation's. */
  | { readonly at: 'superseded'; readonly before: Before | null; readonly cause: Cause }
  | { readonly at: 'ended'; readonly as: 'live' | 'restored' | 'down'; readonly cause: Cause | null }
  /** `known`: the verdict is in the journal already. */
  | { readonly at: 'settled'; readonly verdict: Verdict; readonly known: boolean }
  /** There is no verdict: whoever resumes it comes to one. */
  | { readonly at: 'unsettled'; readonly cause: Cause }

/** A failure, or one that an earlier process of the activation has written down. */
export type Cause = Failure | NonNullable<JournalEntry['cause']>

/** What `stateOf` makes of an activation in the journal; `lost`: its swap is not in there, and did happen. */
export function stateOf(log: readonly JournalEntry[], activation: string, lost: boolean): State {
  const own = log.filter((entry) => entry.activation === activation)
  const verdict = own.find((entry) => entry.verdict !== null)?.verdict
  if (verdict !== undefined && verdict !== null) return { at: 'settled', verdict, known: true }
  const before = own.find((entry) => entry.before !== null)?.before ?? null
  const restoring = own.find((entry) => isBegin(entry, 'rollback'))
  if (!own.some(touches)) return lost ? { at: 'swapped', before } : { at: 'prepared' }
  if (lastThatTouched(log) !== activation)
    return { at: 'superseded', before, cause: failure('overtaken: interrupted') }
  if (restoring === undefined) return forward(own, before)
  const failed = own.find((entry) => entry.cause !== null)?.cause
  return { at: 'restoring', before, cause: failed ?? failure('activation-died: while restoring') }
}

function forward(own: readonly JournalEntry[], before: Before | null): State {
  const probation = own.findLast((entry) => entry.probation !== null)?.probation ?? null
  if (probation !== null) return { at: 'watching', before, probation }
  const canary = openCanary(own)
  return canary === null ? { at: 'swapped', before } : { at: 'canary', before, canary }
}

/** The canary that an activation's entries have begun and not ended. */
function openCanary(own: readonly JournalEntry[]): Canary | null {
  const canary = own.findLast((entry) => entry.canary !== null)?.canary ?? null
  const isOver = own.some(
    (entry) =>
      entry.verdict !== null ||
      isBegin(entry, 'rollback') ||
      (entry.step === 'canary' && entry.state === 'done'),
  )
  return isOver ? null : canary
}

/** The canary that goes on, or did when its process died. */
export function canaryIn(log: readonly JournalEntry[]): Canary | null {
  const last = lastThatTouched(log)
  return openCanary(log.filter(({ activation }) => activation === last))
}

/** Whether another activation waits for the lock that this one holds. */
export function isAwaited(log: readonly JournalEntry[], activation: string): boolean {
  const begun = log.findIndex((entry) => entry.activation === activation)
  const last = new Map(log.slice(begun + 1).map((entry) => [entry.activation, entry]))
  last.delete(activation)
  // One that has its verdict touches nothing any more.
  for (const entry of log) if (entry.verdict !== null) last.delete(entry.activation)
  return [...last.values()].some(({ step, state }) => step === 'lock' && state !== 'done')
}

/** Whether it has begun to touch what is live. */
export function hasTouched(log: readonly JournalEntry[], activation: string): boolean {
  return log.some((entry) => entry.activation === activation && touches(entry))
}

/** The activation that touched something last, where it has no verdict. A later one has settled what others left. */
export function interruptedIn(log: readonly JournalEntry[]): string | null {
  const last = lastThatTouched(log)
  return log.some(({ activation, verdict }) => activation === last && verdict !== null) ? null : last
}

/** Whether its release is live, and on probation. Nobody needs to wait for the end of that. */
export function isOnProbation(log: readonly JournalEntry[], activation: string): boolean {
  const own = log.filter((entry) => entry.activation === activation)
  return own.some(({ probation }) => probation !== null) && !own.some((entry) => isBegin(entry, 'rollback'))
}

/** How canary and probation of the last activation went, or go, for people; null where there is nothing to tell. */
export function probationOf(log: readonly JournalEntry[]): string | null {
  const last = lastThatTouched(log)
  const own = log.filter(({ activation }) => activation === last)
  const canary = own.findLast((entry) => entry.canary !== null)?.canary?.release
  const release = own.find((entry) => entry.probation !== null)?.probation?.verdict.live ?? canary
  if (release === undefined) return null
  const end = own.find(({ verdict }) => verdict !== null)
  if (end?.verdict == null) {
    if (own.some((entry) => isBegin(entry, 'rollback'))) return `${release} is being taken back.`
    if (openCanary(own) !== null)
      return `${release} is a canary: one worker serves it, and another deploy or rollback ends that.`
    return own.some(({ probation }) => probation !== null)
      ? `${release} is on probation: the server watches it.`
      : null
  }
  const { status, live, failure: why } = end.verdict
  if (why !== null)
    return `${release} was taken back at ${end.time}, and ended ${status}: ${why.message} ${live} serves.`
  return null
}

/** Whether another activation has begun since this one's release is on probation. That ends it. */
export function endsProbation(log: readonly JournalEntry[], activation: string): boolean {
  const begun = log.findIndex((entry) => entry.activation === activation && entry.probation !== null)
  return log
    .slice(begun + 1)
    .some((entry) => entry.activation !== activation && entry.step !== 'watch' && entry.verdict === null)
}

/** The activation that touched something last. */
export function lastThatTouched(log: readonly JournalEntry[]): string | null {
  return log.findLast(touches)?.activation ?? null
}

function touches(entry: JournalEntry): boolean {
  return isBegin(entry, 'swap') || isBegin(entry, 'rollback')
}

function isBegin({ step, state }: JournalEntry, name: JournalEntry['step']): boolean {
  return step === name && state === 'begin'
}

/** What is looked at after a failure. */
export interface AfterFailure {
  /** The release that `current` points at; null also where nobody can tell. */
  readonly current: string | null
  /** The release that takes traffic. */
  readonly serving: string | null
  /** What `current` pointed at when this process began; undefined: it did not get as far. */
  readonly before: Before | undefined
  /** The journal says that something live was touched. */
  readonly touched: boolean
  /** Another process is at work on the same activation. */
  readonly elsewhere: boolean
  /** The step that failed. */
  readonly during: ActivationStep
}

/** What comes of a failure in a state. */
export function onFailure(state: State, cause: Failure, seen: AfterFailure): State {
  switch (state.at) {
    case 'queued':
      // Never settle on a guess: something live was touched, or somebody else is at it.
      return seen.touched || seen.elsewhere ? { at: 'unsettled', cause } : kept(cause, seen)
    case 'prepared':
      if (seen.before === undefined || seen.current === seen.before.current) return kept(cause, seen)
      return restoring(cause, seen)
    case 'swapped':
    case 'canary':
    case 'watching':
      return restoring(cause, seen)
    case 'restoring':
      return { at: 'ended', as: 'down', cause }
    default:
      return { at: 'unsettled', cause }
  }
}

function restoring(cause: Failure, { before, during }: AfterFailure): State {
  return { at: 'restoring', before: before ?? null, cause: cause.inContext(`during ${during}`) }
}

/** Nothing live was touched: what serves is what served. */
function kept(cause: Failure, { serving }: AfterFailure): State {
  return { at: 'settled', verdict: keptVerdict(serving, cause.toRecord()), known: false }
}

/** What the workers are told of the activation. */
export type Notice = Pick<ActivationFile, 'observe' | 'stay' | 'halt'>

export type Moment =
  /** New workers come up beside the old ones. */
  | 'swap'
  /** The workers that PM2 has told to leave may be the only ones that serve. */
  | 'restore'
  /** Workers that stay hold the places that a reload needs. */
  | 'make-room'
  /** Workers that start wait to be stopped. */
  | 'stop'
  /** The old workers may leave. */
  | 'alone'

/** What workers are told at a moment of the activation; null: there is none any more. */
export function noticeFor(
  moment: Moment,
  {
    times,
    foreign,
    together,
  }: { readonly times: Times; readonly foreign: number; readonly together: boolean },
): Notice | null {
  const { stay } = times
  switch (moment) {
    case 'swap':
      // Where nobody serves while the new workers boot, letting them wait would only lengthen the gap.
      return { observe: foreign === 0, stay: together ? stay : 0, halt: false }
    case 'restore':
      return { observe: false, stay, halt: false }
    case 'make-room':
      return { observe: false, stay: 0, halt: false }
    case 'stop':
      return { observe: false, stay, halt: true }
    case 'alone':
      return null
  }
}

/** Whether the workers may be told that there is no activation any more, once its process ends. */
export function mayDismiss(state: State): boolean {
  // After the swap, without a verdict or with a bad one, the old workers may be all that serves: they leave when their
  // time is up, and PM2 may have started something by then.
  return state.at === 'settled' && state.verdict.status !== 'down'
}
