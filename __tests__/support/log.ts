/** A log that nobody reads: a test takes over what it is about. */
import type { Log } from '../../src/pipeline.ts'

export const silentLog: Log = {
  mask: () => undefined,
  remember: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  annotate: () => undefined,
  debug: () => undefined,
  group: () => undefined,
  endGroup: () => undefined,
}
