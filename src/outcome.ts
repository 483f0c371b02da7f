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
  /** Filled by `status`: a deploy is under way. */
  readonly busy: boolean
}

/** A run that failed before it knew anything of the server. */
export function failedEarly(failure: Failure): Outcome {
  return {
    status: 'kept',
    succeeded: false,
    release: null,
    previousRelease: null,
    liveRelease: null,
    uploadedBytes: 0,
    failure,
    workers: [],
    releases: [],
    busy: false,
  }
}
