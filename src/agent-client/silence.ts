/** How long an agent may be silent during a call. After that it hangs: on a disk, or because it was stopped. */
import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'
import { formatLimit } from '../common/format.ts'
import type { Operation } from '../protocol/messages.ts'

/** In ms: recognising a PM2 daemon that does not answer takes 90 s. Longer work sends `alive`. */
const LOOK = 2 * 60_000
/** For work that reads, writes, flushes or removes whole releases, in ms. */
const WORK = 10 * 60_000

const WORKING: ReadonlySet<Operation> = new Set([
  'stage',
  'fill',
  'commit',
  'compare',
  'integrity',
  'discard',
  'cleanup',
])

export function longestSilence(operation: Operation): number {
  return WORKING.has(operation) ? WORK : LOOK
}

export interface Silence {
  /** The agent sent something, or another call is the next to be answered; null: no call waits. */
  heard(operation: Operation | null): void
}

/** @param hang called once, when the agent has been silent for too long */
export function watchSilence(hang: (failure: Failure) => void, longest = longestSilence): Silence {
  let timer: NodeJS.Timeout | undefined
  return {
    heard(operation) {
      clearTimeout(timer)
      if (operation === null) return
      const limit = longest(operation)
      timer = setTimeout(() => hang(silent(operation, limit)), limit)
    },
  }
}

/** The run treats it as a lost connection: the server finishes or restores on its own. */
function silent(operation: Operation, limitMs: number): Failure {
  return failure('connection-lost: silent', { limit: formatLimit(limitMs), operation })
}
