/** What an activation touches: only behind this are a clock, files, signals and PM2. */
import type { Failure } from '../../common/failure.ts'
import type { ActivationRequest, JournalEntry, Runtime } from '../../protocol/messages.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { Pm2Process } from '../pm2/client.ts'
import type { Serving } from '../store/history.ts'
import type { Act, Seen } from './decide.ts'
import type { Goal } from './goal.ts'
import type { Journal } from './journal.ts'
import type { Replaced } from './replaced.ts'
import type { Notice } from './state.ts'

/** What a look is to ask beyond PM2's list and the workers' records. */
export interface Ask {
  /** The health of the workers that serve this release, and its public address. */
  readonly health?: Goal
  /** Which ids still have an old worker. */
  readonly replacing?: boolean
}

/** An activation's clock, record, turn, workers and releases. */
export interface World extends Turn, Workers, Releases {
  /** In ms; nobody sets it. */
  now(): number
  sleep(ms: number): Promise<void>
  /** In ms; the clock of the workers' records. */
  sinceBoot(): number
  /** Any error in words that say what to do. */
  toFailure(error: unknown): Failure

  /** This activation's. Each entry is on the disk when its promise settles. */
  readonly journal: Journal
  /** Of all activations. */
  entries(): Promise<readonly JournalEntry[]>
  /** It has swapped, and the journal says nothing of that: somebody emptied it. */
  isLost(): Promise<boolean>

  /** Tells the workers what is going on; null: no activation is. */
  notify(notice: Notice | null): Promise<void>
  /** Removes this process's notice, and no other's. Never throws. */
  dismiss(): Promise<void>
  /** Runs the user's commands in the release's folder. @returns their last lines @throws Failure `hook-failed` */
  runHook(name: 'pre-activate' | 'post-activate', commands: string, goal: Goal): Promise<string>
  /** The release that takes traffic. Never throws. */
  serving(): Promise<string | null>
}

export interface Turn {
  /** Sets room on the disk aside. @throws where there is none */
  takeReserve(): Promise<void>
  /** @throws Failure `locked`, `withdrawn` */
  lock(): Promise<void>
  /** Keeps other apps from opening the same port meanwhile. @throws Failure `locked`, `withdrawn` */
  lockPort(port: number, timeoutMs: number): Promise<void>
  /** Keeps the activation's other processes from acting at the same time. Acts even where the lock cannot be taken. */
  alone<T>(act: () => Promise<T>): Promise<T>
  /** Gives back what was locked, and drops what was prepared. Never throws. */
  unlock(): Promise<void>
  /** Brings an activation to its verdict that was interrupted. Never throws. */
  finish(activation: string): Promise<void>
  /** Whether another process holds the lock for this same activation. */
  isElsewhere(): Promise<boolean>
  /** The run was cancelled before anything was touched. */
  isWithdrawn(): Promise<boolean>
  /** Waits for hooks of activations whose process died, and ends their candidates. @throws Failure `withdrawn` */
  endLeftovers(mayGiveUp: boolean): Promise<void>
}

export interface Workers {
  /** Again where PM2's daemon is another one. @throws Failure `pm2-failed`, `pm2-foreign` */
  connect(): Promise<void>
  /**
   * Where setup has brought another Node than PM2's daemon runs on: ends the daemon, starts another on that Node, and on
   * it all apps but this one, whose workers serve meanwhile.
   * @returns what was done, for people; null: nothing
   */
  moveNode(): Promise<string | null>
  /** PM2's daemon, or null. */
  daemon(): Promise<number | null>
  /** PM2's list of this app, in the order of its ids. */
  list(): Promise<readonly Pm2Process[]>
  look(ask: Ask): Promise<Seen>
  /** Of all workers that live, without asking PM2. */
  records(): Promise<readonly WorkerRecord[]>
  /** @throws where PM2 refuses */
  act(act: Act): Promise<void>
  /** Keeps PM2's list for the next boot. */
  savePm2(): Promise<void>
  /** In bytes. */
  freeMemory(): Promise<number>
  /** How many workers a release asks for. */
  instancesOf(runtime: Runtime): number
  /** What the workers and PM2 wrote into their logs since `connect`. Never throws. */
  evidence(): Promise<string>
  /** The lines about missing files that workers of a release wrote since `connect`. Never throws. */
  notFound(release: string): Promise<string>

  /** What the first deploy replaces. */
  findReplaced(): Promise<Replaced>
  /** What an interrupted activation has written down of that. */
  readReplaced(): Promise<Replaced | null>
  writeReplaced(replaced: Replaced): Promise<void>
  forgetReplaced(): Promise<void>
  /** @returns what was seen @throws Failure `restore-failed` */
  putBack(replaced: Replaced): Promise<string>

  /** @throws Failure `app-name-taken`, `path-taken`, `port-taken`, `port-forbidden` or `address-differs` */
  assertClaims(runtime: Runtime, said: ActivationRequest['said']): Promise<void>
  /** @throws Failure `port-taken` */
  assertNoOtherDoor(runtime: Runtime): Promise<void>
}

export interface Releases {
  /** @throws Failure `release-damaged` */
  goal(release: string): Promise<Goal>
  /** The release that `current` points at. */
  current(): Promise<string | null>
  isVerified(release: string): Promise<boolean>
  /** The release to go back to from another one. */
  previousRelease(current: string | null, except?: string): Promise<string | null>
  /** Makes everything ready for `point`, which then needs no room on the disk. */
  preparePoint(release: string): Promise<void>
  /** Points `current` at a release in one step. */
  point(release: string): Promise<void>
  /** Removes `current`. */
  unlink(): Promise<void>
  markServing(release: string, serving: Serving): Promise<void>
  /** Puts static files of other releases into this one. Never throws. @returns what there is to tell */
  linkOldStatic(release: string, served: readonly string[]): Promise<string>
  /** @throws Failure `release-damaged` */
  assertLauncher(release: string): Promise<void>
  /** @returns what was repaired, or null @throws Failure `release-damaged` */
  repairLauncher(release: string): Promise<string | null>
  /** @throws Failure `overtaken` where a later run has deployed the current release */
  assertNotOvertaken(current: string): Promise<void>
}
