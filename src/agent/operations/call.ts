/** One call of an operation, as its handler sees it. */
export interface Call {
  readonly body: AsyncIterable<Buffer>
  event(value: unknown): void
  /** Sends a data frame, and resolves when there is room for the next. Never rejects. */
  send(chunk: Buffer): Promise<void>
  /** Says that the work goes on. Only after a step, or for work with a limit: the runner gives up a silent agent. */
  alive(): void
}
