/**
 * The one error type of the project. It exists on both sides of the wire, so that an error of the agent
 * reaches the job summary as it was raised: a stable code, what happened, what to do about it, and the proof.
 *
 * Every code has its paragraph in docs/errors.md.
 */

export interface FailureOptions {
  /** What the user can do about it, in one or two sentences. */
  readonly remedy?: string | undefined
  /** What was seen, verbatim: the last lines of a log, an HTTP answer, a command's output. Never a secret. */
  readonly evidence?: string | undefined
  readonly cause?: unknown
}

/** A failure as it travels over the wire. */
export interface FailureRecord {
  readonly code: string
  readonly message: string
  readonly remedy: string | null
  readonly evidence: string | null
}

export class Failure extends Error {
  readonly code: string
  readonly remedy: string | undefined
  readonly evidence: string | undefined

  /**
   * @param code stable, kebab-case, named in docs/errors.md
   * @param message one sentence: what failed, and on what
   */
  constructor(code: string, message: string, options: FailureOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.remedy = options.remedy
    this.evidence = options.evidence
  }

  /** Any thrown value as a Failure; one that is none yet becomes `internal`. */
  static from(error: unknown, code = 'internal'): Failure {
    if (error instanceof Failure) return error
    const message = error instanceof Error ? error.message : String(error)
    return new Failure(code, message, {
      cause: error,
      evidence: error instanceof Error ? error.stack : undefined,
    })
  }

  /** A failure that came over the wire, as the error that it was on the other side. */
  static revive({ code, message, remedy, evidence }: FailureRecord): Failure {
    return new Failure(code, message, { remedy: remedy ?? undefined, evidence: evidence ?? undefined })
  }

  /** The same failure, with more said about it. */
  reworded(
    message: string,
    { remedy = this.remedy, evidence = this.evidence }: FailureOptions = {},
  ): Failure {
    const { code } = this
    return new Failure(code, message, { remedy, evidence, cause: this.cause })
  }

  toRecord(): FailureRecord {
    const { code, message, remedy = null, evidence = null } = this
    return { code, message, remedy, evidence }
  }
}
