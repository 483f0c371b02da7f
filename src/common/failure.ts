/**
 * The one error type of the project, on the runner and on the server: the summary shows an error of the agent as the
 * agent raised it. The codes and their words are in errors/, which docs/errors.md is generated from.
 */
import { texts } from './errors/internal.ts'
import { fill } from './errors/text.ts'

export interface FailureOptions {
  /** What to do first. */
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

  /** Errors that a user can see are made by the functions in errors/, with the words of the registry. */
  constructor(code: string, message: string, options: FailureOptions = {}) {
    super(message, { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.remedy = options.remedy
    this.evidence = options.evidence
  }

  static from(error: unknown, code: keyof typeof texts = 'internal'): Failure {
    if (error instanceof Failure) return error
    const problem = error instanceof Error ? error.message : String(error)
    return new Failure(code, fill(texts[code].message, { problem }), {
      remedy: texts[code].remedy,
      cause: error,
      evidence: error instanceof Error ? error.stack : undefined,
    })
  }

  /** Returns a failure that came over the wire as it was raised on the other side. */
  static revive({ code, message, remedy, evidence }: FailureRecord): Failure {
    return new Failure(code, message, { remedy: remedy ?? undefined, evidence: evidence ?? undefined })
  }

  /** Returns the same failure with a remark in brackets behind its message. */
  inContext(remark: string): Failure {
    return this.reworded(`${this.message.replace(/\.$/, '')} (${remark}).`)
  }

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
