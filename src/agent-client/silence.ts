/** How long an agent may be silent in a call. One that is silent for longer hangs: on a disk, or because it was stopped. */
import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'
import { formatLimit } from '../common/format.ts'
import type { Operation } from '../protocol/messages.ts'

/** In ms: PM2's daemon alone may take 90 s to be found mute. What takes longer says that it goes on: `alive`. */
const LOOK = 2 * 60_000
/** What reads, writes or removes whole releases, or waits until the disk has them, in ms. */
const WORK = 10 * 60_000

const WORKING: ReadonlySet<Operation> = new Set([
  'stage',
  'fill',
  'commit',
  'compare',
  'audit',
  'discard',
  'cleanup',
])

export function longestSilence(operation: Operation): number {
  return WORKING.has(operation) ? WORK : LOOK
}

export interface Silence {
  /** A sign of life came, or another call is the one that is answered next; null: no call waits. */
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

/** For the run it is a lost connection: the server finishes or takes back what it had begun. */
function silent(operation: Operation, limitMs: number): Failure {
  return failure('connection-lost: silent', { limit: formatLimit(limitMs), operation })
}
