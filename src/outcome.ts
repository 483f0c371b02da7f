/** How a run ended: what the outputs, the summary and the exit code are made of. */
import type {
  ActivationStatus,
  CacheSharing,
  Finding,
  JournalEntry,
  ReleaseInfo,
  ReleaseSummary,
  Verdict,
  WorkerState,
} from './protocol/messages.ts'
import type { Failure } from './common/failure.ts'

export interface Outcome {
  readonly status: ActivationStatus
  /** Whether the run did what it was asked to: only then is the step green. */
  readonly succeeded: boolean
  /** The release that this run was about. */
  readonly release: string | null
  readonly previousRelease: string | null
  /** Where a rollback without `release` goes from here, where that is the same on all hosts. */
  readonly rollsBackTo: string | null
  /** What truly serves at the end, where all hosts serve the same. */
  readonly liveRelease: string | null
  readonly uploadedBytes: number
  /** Null where nothing was to be sent. */
  readonly sent: Sent | null
  readonly failure: Failure | null
  /** Where the releases came from that were on the server when the run began. */
  readonly infos: readonly ReleaseInfo[]
  /** Filled by `status`, and after an activation. */
  readonly hosts: readonly HostOutcome[]
}

/** What of a release's content the servers lacked, before it was compressed; of all hosts together. */
export interface Sent {
  readonly files: number
  readonly bytes: number
  readonly ofFiles: number
  readonly ofBytes: number
}

/** The truth about one host. */
export interface HostOutcome {
  /** Null where it is the only one. */
  readonly name: string | null
  readonly status: ActivationStatus
  readonly live: string | null
  /** Why it is not live; after a failure elsewhere that failure. Filled after an activation. */
  readonly failure: Failure | null
  readonly workers: readonly WorkerState[]
  /** Filled by `status`. */
  readonly releases: readonly ReleaseSummary[]
  /** Filled by `status`. */
  readonly server: ServerState | null
  /** Filled by a dry run. */
  readonly rehearsal: Rehearsal | null
}

/** What a run would have done on a host, and what it would have met there. */
export interface Rehearsal {
  /** Null for a rollback: it sends nothing. */
  readonly sending: { readonly files: readonly SentFile[]; readonly of: FileCount } | null
  /** Releases that the cleanup would remove. */
  readonly pruned: readonly string[]
  readonly findings: readonly Finding[]
}

/** Whether the run would end early as things are. */
export function wouldFail({ findings }: Rehearsal): boolean {
  return findings.some(({ effect }) => effect === 'ends')
}

export interface SentFile {
  readonly path: string
  readonly size: number
}

export interface FileCount {
  readonly files: number
  readonly bytes: number
}

export interface ServerState {
  /** Its clock, ISO. */
  readonly now: string
  readonly freeBytes: number
  /** Who holds it, in words. */
  readonly lock: string | null
  readonly interrupted: string | null
  /** The last entries, oldest first. */
  readonly journal: readonly JournalEntry[]
}

/** What a run has found out so far: it becomes the outcome wherever the run ends. */
export interface Known {
  readonly live: string | null
  readonly release: string | null
  readonly uploadedBytes: number
  readonly sent: Sent | null
}

export const nothingKnown: Known = {
  live: null,
  release: null,
  uploadedBytes: 0,
  sent: null,
}

/** Nothing live was touched: the outcome of every run that ends early. */
export function untouched({ live, release, uploadedBytes, sent }: Known): Outcome {
  return {
    status: 'kept',
    succeeded: false,
    release,
    previousRelease: live,
    rollsBackTo: null,
    liveRelease: live,
    uploadedBytes,
    sent,
    failure: null,
    infos: [],
    hosts: [],
  }
}

/** Why workers do not share their caches, each reason once; empty where all do, or do not tell. */
export function notSharing(workers: readonly { readonly cache: CacheSharing | null }[]): readonly string[] {
  const reasons = new Set(workers.flatMap(({ cache }) => (cache?.shared === false ? [cache.why] : [])))
  return [...reasons].map((why) => `each worker keeps its cache to itself: ${why}`)
}

/** How an activation ended on one host. */
export interface Ended {
  readonly name: string | null
  readonly verdict: Verdict
  /** Why it is not live. */
  readonly failure: Failure | null
}

/** The outcome for all hosts together: `live` only if every one is, `restored` only if every one is back. */
export function together(known: Known, ended: readonly Ended[]): Outcome {
  // What failed for good matters most.
  const failed = ended.filter((end) => end.failure !== null)
  const failure = (failed.find(({ verdict }) => verdict.status === 'down') ?? failed[0])?.failure ?? null
  const status = overall(ended.map(({ verdict }) => verdict.status))
  const previous = agreed(ended.map(({ verdict }) => verdict.previous))
  return {
    ...untouched(known),
    status,
    succeeded: status === 'live' && failure === null,
    previousRelease: previous ?? known.live,
    rollsBackTo: agreed(ended.map(({ verdict }) => verdict.rollsBackTo)),
    liveRelease: agreed(ended.map(({ verdict }) => verdict.live)),
    failure,
    hosts: ended.map(({ name, verdict: { status: own, live, workers }, failure: why }) => ({
      name,
      status: own,
      live,
      failure: why,
      workers,
      releases: [],
      server: null,
      rehearsal: null,
    })),
  }
}

export function overall(statuses: readonly ActivationStatus[]): ActivationStatus {
  const all = (...wanted: readonly ActivationStatus[]) => statuses.every((status) => wanted.includes(status))
  if (all('live')) return 'live'
  if (all('kept')) return 'kept'
  return all('kept', 'restored') ? 'restored' : 'down'
}

/** The value that all share, or null. */
export function agreed(values: readonly (string | null)[]): string | null {
  const [first = null, ...others] = new Set(values)
  return others.length === 0 ? first : null
}
