import type { AppSettings, HealthCheck } from './app.ts'
import { earlyVariables } from './early-variables.ts'
import type { Login } from './server.ts'

interface Settings {
  readonly app: AppSettings
  readonly health: HealthCheck
  readonly login: Login
}

/** Node announces `Keep-Alive: timeout=5` to clients; after one second more the polite ones have left. */
const politeDrainMs = 6000

/** A Next.js 16 worker takes about 100 MB before it has served anything. */
const smallestWorkerBytes = 128 * 2 ** 20

/** What is legal, yet seldom meant. */
export function warningsOf({ app, health, login }: Settings): readonly string[] {
  const suspicions: readonly (readonly [boolean, string])[] = [
    [
      app.drainTimeoutMs < politeDrainMs,
      'Input `drain-timeout` is below 6s: clients with an idle keep-alive connection, and requests in flight, may be cut off.',
    ],
    [
      app.observeMs === 0,
      'Input `observe` is 0: a release that dies just after its first answer takes traffic before it is noticed.',
    ],
    [
      health.intervalMs >= health.timeoutMs,
      'Input `health-check-interval` is not below `health-check-timeout`: the health check is tried only once.',
    ],
    [
      app.maxMemoryBytes !== undefined && app.maxMemoryBytes < smallestWorkerBytes,
      'Input `max-memory` is below 128M: a Next.js worker needs about 100 MB to start, so PM2 may restart it endlessly.',
    ],
    [app.port < 1024, 'Input `app-port` is below 1024: a process needs a special privilege to listen there.'],
    [
      login.passphrase !== undefined && login.key === undefined,
      'Input `passphrase` is given without `key` and is not used.',
    ],
  ]
  return [...suspicions.filter(([holds]) => holds).map(([, warning]) => warning), ...earlyVariables(app)]
}
