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
 * @throws Failure `restore-failed`
 */
export async function heal(
  options: FleetOptions,
  settings: Pm2Options,
  release: string,
  instances: number,
  timeoutMs: number,
): Promise<void> {
  const { pm2 } = options
  const deadline = performance.now() + timeoutMs
  const asked = new Set<string>()
  for (;;) {
    const workers = await listWorkers(options)
    const serving = workers.filter((worker) => serves(worker, release)).length
    if (workers.length > 0 && serving >= Math.min(instances, workers.length)) return
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

/** Looks in a row that must find the app stopped: a restart that PM2 had begun may still come through. */
const CALM = 5
const STOP_TIMEOUT = 30_000

/**
 * Stops the app for good: for a first deploy that failed, with nothing to go back to. PM2 may be about to start a
 * worker anew that has just died, and a stop that comes at that moment misses it (seen in 7.0.4).
 * @throws Failure `restore-failed`
 */
export async function stopAll(options: FleetOptions): Promise<void> {
  const deadline = performance.now() + STOP_TIMEOUT
  for (let calm = 0; calm < CALM;) {
    const running = (await listWorkers(options)).filter(
      ({ process, record }) =>
        record !== null || !(process.status === 'stopped' || process.status === 'errored'),
    )
    calm = running.length === 0 ? calm + 1 : 0
    if (performance.now() >= deadline) {
      throw new Failure('restore-failed', `the app could not be stopped: ${describe(running[0])}`)
    }
    await Promise.all(running.map(({ process }) => options.pm2.stop(process.id).catch(() => undefined)))
    await delay(POLL)
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone already.
  }
}
