/** Brings workers back, whatever state a failed release left them in. */
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../protocol/failure.ts'
import type { WorkerRecord } from '../../server/worker-record.ts'
import type { Pm2Options } from '../pm2.ts'
import { describe, type FleetOptions, listWorkers, POLL, serves } from './fleet.ts'

/**
 * Replaces every worker that does not serve `release`, which `current` points at again, and finishes a reload that
 * waits with it. The old workers that PM2 keeps aside meanwhile serve.
 * @param settings PM2's options for `release`: those of the failed one may be what it failed of
 * @returns false where PM2 has no worker at all, because its daemon died: then there is nothing to heal
 * @throws Failure `restore-failed`
 */
export async function heal(
  options: FleetOptions,
  settings: Pm2Options,
  release: string,
  instances: number,
  timeoutMs: number,
): Promise<boolean> {
  const { pm2 } = options
  const deadline = performance.now() + timeoutMs
  const asked = new Set<string>()
  for (;;) {
    const workers = await listWorkers(options)
    const serving = workers.filter((worker) => serves(worker, release)).length
    if (workers.length === 0) return false
    if (serving >= Math.min(instances, workers.length)) return true
    if (performance.now() >= deadline) {
      const missing = workers.find((worker) => !serves(worker, release))
      throw new Failure('restore-failed', `not every worker came back to ${release}: ${describe(missing)}`)
    }
    for (const { process, record } of workers) {
      const { id, pid, status } = process
      const ended = status === 'errored' || status === 'stopped'
      if (record?.release === release || (record === null && !ended)) continue
      const worker = `${id} ${pid}`
      if (!asked.has(worker)) {
        asked.add(worker)
        pm2.restart(id, settings).catch(() => undefined)
      } else if (status === 'stopping' && record !== null && isBehindDoor(record)) {
        // It may hang, and nobody is lost behind a closed door. An open one is left through the drain.
        kill(pid)
      }
    }
    await delay(POLL)
  }
}

function isBehindDoor({ phase, doorPort }: WorkerRecord): boolean {
  return phase === 'booting' || phase === 'proving' || doorPort === 0
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}
