/** How a run ended: what the outputs, the summary and the exit code are made of. */
import type { ActivationStatus, ReleaseSummary, WorkerState } from './protocol/messages.ts'
import type { Failure } from './protocol/failure.ts'

export interface Outcome {
  readonly status: ActivationStatus
  /** Whether the run did what it was asked to: only then is the step green. */
  readonly succeeded: boolean
  /** The release that this run was about. */
  readonly release: string | null
  readonly previousRelease: string | null
  /** What truly serves at the end. */
  readonly liveRelease: string | null
  readonly uploadedBytes: number
  readonly failure: Failure | null
  /** Filled by `status`, and after an activation. */
  readonly workers: readonly WorkerState[]
  /** Filled by `status`. */
  readonly releases: readonly ReleaseSummary[]
}

/** What a run has found out so far: it becomes the outcome wherever the run ends. */
export interface Known {
  readonly live: string | null
  readonly release: string | null
  readonly uploadedBytes: number
}

export const nothingKnown: Known = { live: null, release: null, uploadedBytes: 0 }

/** Nothing live was touched: the outcome of every run that ends early. */
export function untouched({ live, release, uploadedBytes }: Known): Outcome {
  return {
    status: 'kept',
    succeeded: false,
    release,
    previousRelease: live,
    liveRelease: live,
    uploadedBytes,
    failure: null,
    workers: [],
    releases: [],
  }
}
