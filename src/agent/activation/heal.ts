/** Brings workers back, whatever state a failed release left them in. */
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../common/failure.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { Pm2Options } from '../pm2/client.ts'
import { describe, type FleetOptions, listWorkers, POLL, serves } from './fleet.ts'
import type { Goal } from './goal.ts'
import { hungWorkers } from './hung.ts'
import { kill, tell } from './signals.ts'

/**
 * Replaces every worker that does not serve the `goal`, which `current` points at again, and finishes a reload that
 * waits with it. The old workers that PM2 keeps aside meanwhile serve.
 * @param settings PM2's options for the goal: those of the failed release may be what it failed of
 * @param failed the release whose workers leave at once when they are told to
 * @returns false where PM2 has no worker at all, because its daemon died: then there is nothing to heal
 * @throws Failure `restore-failed`
 */
export async function heal(
  options: FleetOptions,
  settings: Pm2Options,
  { release, runtime }: Goal,
  failed: string,
  instances: number,
  timeoutMs: number,
): Promise<boolean> {
  const { pm2 } = options
  const deadline = performance.now() + timeoutMs
  const asked = new Set<string>()
  const hung = hungWorkers(runtime.health)
  for (;;) {
    const workers = await listWorkers(options)
    const serving = workers.filter((worker) => serves(worker, release)).length
    if (workers.length === 0) return false
    if (serving >= Math.min(instances, workers.length)) return true
    if (performance.now() >= deadline) {
      const missing = workers.find((worker) => !serves(worker, release))
      throw new Failure('restore-failed', `not every worker came back to ${release}: ${describe(missing)}`)
    }
    const told: WorkerRecord[] = []
    for (const { process, record } of workers) {
      const { id, pid, status } = process
      const ended = status === 'errored' || status === 'stopped'
      if (record?.release === release || (record === null && !ended)) continue
      const worker = `${id} ${pid}`
      const first = !asked.has(worker)
      asked.add(worker)
      if (!ended && record !== null && isBehindDoor(record)) {
        // PM2 starts a process that ends before it was ready by itself, and from here on that is the goal. Asked to
        // restart it, it would start two (7.0.4), of which it forgets one. It may hang, and nobody is lost there.
        if (first) tell(pid)
        else kill(pid)
      } else if (first) {
        // One of a third release, from before an activation that was interrupted, stays when it is told to leave.
        const stays = record !== null && record.release !== failed && record.phase === 'open'
        const act = stays ? pm2.reload(id, settings) : pm2.restart(id, settings)
        act.catch(() => undefined)
      } else if (status === 'stopping' && record !== null) {
        // Left through the drain, unless it hangs.
        told.push(record)
      }
    }
    await hung.end(told)
    await delay(POLL)
  }
}

function isBehindDoor({ phase, doorPort }: WorkerRecord): boolean {
  return phase === 'booting' || phase === 'proving' || doorPort === 0
}
