import type { Runtime } from '../protocol/messages.ts'
import { earlyVariables } from './early-variables.ts'
import type { Values } from './table.ts'

/** Node announces `Keep-Alive: timeout=5` to clients; after one second more the polite ones have left. */
const politeDrainMs = 6000

/** A Next.js 16 worker takes about 100 MB before it has served anything. */
const smallestWorkerBytes = 128 * 2 ** 20

/** What is legal, yet seldom meant. */
export function warningsOf({ key, passphrase }: Values, runtime: Runtime): readonly string[] {
  const { health } = runtime
  const suspicions: readonly (readonly [boolean, string])[] = [
    [
      runtime.drainTimeoutMs < politeDrainMs,
      'Input `drain-timeout` is below 6s: a deploy may break off requests in flight and reset idle keep-alive connections.',
    ],
    [
      runtime.observeMs === 0,
      'Input `observe` is 0: a release that crashes just after its first answer receives traffic before anyone notices.',
    ],
    [
      health.intervalMs >= health.timeoutMs,
      'Input `health-check-interval` is not below `health-check-timeout`: the health check makes only one request.',
    ],
    [
      runtime.maxMemoryBytes !== null && runtime.maxMemoryBytes < smallestWorkerBytes,
      'Input `max-memory` is below 128M: a Next.js worker needs about 100 MB to start, so PM2 may restart it endlessly.',
    ],
    [
      runtime.port < 1024,
      'Input `app-port` is below 1024: a process needs special privileges to listen there.',
    ],
    [passphrase !== null && key === null, 'Input `passphrase` is set without `key` and has no effect.'],
  ]
  return [...suspicions.filter(([holds]) => holds).map(([, warning]) => warning), ...earlyVariables(runtime)]
}
