/** What a worker says about itself; the agent and the launcher agree on it here. */
import { cacheSharing } from '../protocol/messages.ts'
import { traffic } from '../protocol/traffic.ts'
import {
  boolean,
  count,
  type Guarded,
  list,
  missingAs,
  nullable,
  object,
  oneOf,
  string,
} from '../protocol/guards.ts'

export const workerRecord = object({
  pid: count,
  /** Tells the process from a later one of the same pid: see process-identity.ts. */
  startTime: string,
  release: string,
  candidate: boolean,
  /** `open` takes traffic; `draining` finishes what is inside; `halted` waits to be stopped. */
  phase: oneOf('booting', 'halted', 'proving', 'open', 'draining'),
  /** Private port on 127.0.0.1 where this process alone answers; 0 until the app listens. */
  port: count,
  /** The public port, once open. */
  doorPort: count,
  /** When it closes its door at the latest, of since-boot.ts; null: nobody has told it to leave. */
  leavesAt: nullable(count),
  /** The last answer to the launcher's own question, or what went wrong. */
  detail: string,
  excerpt: string,
  /** Ports that were taken, in place of which the app got free ones; null from a launcher that does not tell. */
  movedPorts: nullable(list(count)),
  /** Null until it is known, and from a launcher that does not tell. */
  cache: nullable(cacheSharing),
  /** Whether it goes on serving when PM2's daemon dies. */
  outlives: missingAs(false, boolean),
  /** Set when PM2's daemon has died. */
  orphaned: nullable(
    object({
      /** When, of since-boot.ts. */
      since: count,
      /** The other workers that took traffic then. */
      beside: list(count),
    }),
  ),
  /** Null until the first visitor, and from a launcher that does not count. */
  traffic: nullable(traffic),
})
export type WorkerRecord = Guarded<typeof workerRecord>
