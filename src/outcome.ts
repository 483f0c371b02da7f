/** How a run ended: the outputs, the summary and the exit code are made from it. */
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
import type { Check } from './common/check.ts'
import type { Failure } from './common/failure.ts'

/** `staged`: the release is verified, and waits to be promoted. `removed`: the preview is not on the server. */
export type RunStatus = ActivationStatus | 'staged' | 'removed'

export interface Outcome {
  readonly status: RunStatus
  /** Whether the run did what it was asked to do. The step succeeds only then. */
  readonly succeeded: boolean
  readonly release: string | null
  readonly previousRelease: string | null
  /** The release that a rollback without `release` goes to. Null if the hosts differ. */
  readonly rollsBackTo: string | null
  /** The release that serves at the end. Null if the hosts differ. */
  readonly liveRelease: string | null
  readonly uploadedBytes: number
  /** Null for a run without an upload. */
  readonly sent: Sent | null
  readonly failure: Failure | null
  /** Commit and actor of the releases that were on the server when the run began. */
  readonly infos: readonly ReleaseInfo[]
  /** Filled by `status`, and after an activation. */
  readonly hosts: readonly HostOutcome[]
  readonly preview: PreviewNotes | null
}

/** Of all hosts, each thing once. */
export interface PreviewNotes {
  /** It runs as the user that the app belongs to. */
  readonly sharesUser: boolean
  /** Why the proxy cannot reach it, and what to run on the server. */
  readonly unreachable: readonly string[]
  /** Other previews that were removed, and why. */
  readonly removed: readonly string[]
}

/** The content that the servers lacked, before compression, added up over all hosts. */
export interface Sent {
  readonly files: number
  readonly bytes: number
  readonly ofFiles: number
  readonly ofBytes: number
}

/** The marks of a check's levels, in the log and in the summary. */
export const CHECK_MARKS = { ok: '✔', doubt: '⚠', fail: '✖' } as const

export interface HostOutcome {
  /** Null for the only host of a run. */
  readonly name: string | null
  readonly status: RunStatus
  /** The release that serves. Null if it is unknown. */
  readonly live: string | null
  /** Why the release is not live here, or the failure of another host. Filled after an activation. */
  readonly failure: Failure | null
  readonly workers: readonly WorkerState[]
  /** Filled by `status`. */
  readonly releases: readonly ReleaseSummary[]
  /** Filled by `status`. */
  readonly server: ServerState | null
  /** Filled by a dry run. */
  readonly dryRun: DryRun | null
  /** Filled by `check` and `setup`. */
  readonly checks?: readonly Check[]
}

export interface DryRun {
  /** Null for a rollback, which sends nothing. */
  readonly sending: {
    readonly files: readonly { readonly path: string; readonly size: number }[]
    readonly of: { readonly files: number; readonly bytes: number }
  } | null
  readonly pruned: readonly string[]
  readonly findings: readonly Finding[]
}

/** Whether a run without `dry-run` would fail now. */
export function wouldFail({ findings }: DryRun): boolean {
  return findings.some(({ effect }) => effect === 'ends')
}

export interface ServerState {
  /** The server's clock, ISO. */
  readonly now: string
  readonly freeBytes: number
  /** Who holds the lock, in words. Null if nobody does. */
  readonly lock: string | null
  readonly interrupted: string | null
  /** The last entries, oldest first. */
  readonly journal: readonly JournalEntry[]
}

/** What a run knows so far. It becomes the outcome when the run ends early. */
export interface Known {
  readonly live: string | null
  readonly release: string | null
  readonly uploadedBytes: number
  readonly sent: Sent | null
}

export const nothingKnown: Known = { live: null, release: null, uploadedBytes: 0, sent: null }

/** Returns the outcome of a run that ended before anything live was changed. */
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
    preview: null,
  }
}

/** Why workers do not share their caches, each reason once; empty where all do, or do not tell. */
export function notSharing(workers: readonly { readonly cache: CacheSharing | null }[]): readonly string[] {
  const reasons = new Set(workers.flatMap(({ cache }) => (cache?.shared === false ? [cache.why] : [])))
  return [...reasons].map((why) => `each worker keeps its cache to itself: ${why}`)
}

export interface Ended {
  readonly name: string | null
  readonly verdict: Verdict
  readonly failure: Failure | null
}

/** Of a host: what only some commands find out. */
export const nothingMore = {
  failure: null,
  workers: [],
  releases: [],
  server: null,
  dryRun: null,
} as const satisfies Partial<HostOutcome>

/** Returns the outcome of all hosts: `live` if all are live, `restored` if all serve their previous release. */
export function together(known: Known, ended: readonly Ended[]): Outcome {
  // A host that is down matters most.
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
      ...nothingMore,
      failure: why,
      workers,
    })),
  }
}

export function overall(statuses: readonly RunStatus[]): ActivationStatus {
  const all = (...wanted: readonly RunStatus[]) => statuses.every((status) => wanted.includes(status))
  if (all('live')) return 'live'
  if (all('kept')) return 'kept'
  return all('kept', 'restored') ? 'restored' : 'down'
}

/** Returns the value that all share, or null. */
export function agreed(values: readonly (string | null)[]): string | null {
  const [first = null, ...others] = new Set(values)
  return others.length === 0 ? first : null
}
