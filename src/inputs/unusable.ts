/**
 * Thrown by the value parsers: the text cannot be used. It does not know which input the text came from; the
 * reader adds that, and what was given.
 */
export class Unusable extends Error {
  /** False when the text may hold a secret, and must not be shown. */
  readonly showable: boolean

  /** @param expected what is accepted, as it continues "must be …" */
  constructor(expected: string, showable = true) {
    super(expected)
    this.name = 'Unusable'
    this.showable = showable
  }
}
