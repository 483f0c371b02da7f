import type { Runtime } from '../protocol/messages.ts'
import { earlyVariables } from './early-variables.ts'
import type { Values } from './table.ts'

/** Node announces `Keep-Alive: timeout=5` to clients; after one second more the polite ones have left. */
const politeDrainMs = 6000

/** A Next.js 16 worker takes about 100 MB before it has served anything. */
const smallestWorkerBytes = 128 * 2 ** 20

/** On GitHub's own runners. */
const longestJobMs = 6 * 60 * 60_000

export function warningsOf(
  { key, passphrase, command, canary, watch }: Values,
  runtime: Runtime,
): readonly string[] {
  const { health } = runtime
  const warnings = [
    runtime.drainTimeoutMs < politeDrainMs &&
      'Input `drain-timeout` is below 6s: a deploy may break off requests in flight and reset idle keep-alive connections.',
    runtime.observeMs === 0 &&
      'Input `observe` is 0: a release that crashes just after its first answer receives traffic before anyone notices.',
    health.intervalMs >= health.timeoutMs &&
      'Input `health-check-interval` is not below `health-check-timeout`: the health check makes only one request.',
    runtime.maxMemoryBytes !== null &&
      runtime.maxMemoryBytes < smallestWorkerBytes &&
      'Input `max-memory` is below 128M: a Next.js worker needs about 100 MB to start, so PM2 may restart it endlessly.',
    runtime.port < 1024 &&
      'Input `app-port` is below 1024: a process needs special privileges to listen there.',
    canary > 0 &&
      command !== 'deploy' &&
      command !== 'promote' &&
      `Input \`canary\` has no effect with \`command: ${command}\`: it is for \`deploy\` and \`promote\`.`,
    canary + watch >= longestJobMs &&
      'Inputs `canary` and `watch` together last 6 hours or more: a runner of GitHub ends the job before that.',
    passphrase !== null && key === null && 'Input `passphrase` is set without `key` and has no effect.',
  ]
  return [...warnings.filter((warning) => warning !== false), ...earlyVariables(runtime)]
}
