/** Brings workers back, whatever state a failed release left them in. */
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../protocol/failure.ts'
import { describe, type FleetOptions, listWorkers, POLL, serves } from './fleet.ts'

/**
 * Replaces every worker that does not serve `release`, which `current` points at again: PM2 starts a process
 * that ended anew, and finishes a reload that waits with it.
 */
export async function heal(
  options: FleetOptions,
  release: string,
  instances: number,
  timeoutMs: number,
): Promise<void> {
  const { pm2 } = options
  const deadline = performance.now() + timeoutMs
  const handled = new Set<string>()
  for (;;) {
    const workers = await listWorkers(options)
    if (
      workers.filter((worker) => serves(worker, release)).length >= Math.min(instances, workers.length) &&
      workers.length > 0
    )
      return
    if (performance.now() >= deadline) {
      throw new Failure(
        'restore-failed',
        `not every worker came back to ${release}: ${describe(workers.find((worker) => !serves(worker, release)))}`,
      )
    }
    for (const {
      process: { id, pid, status },
      record,
    } of workers) {
      if (record?.release === release || handled.has(`${id} ${pid} ${status}`)) continue
      if (status === 'errored' || status === 'stopped') {
        handled.add(`${id} ${pid} ${status}`)
        pm2.restart(id).catch(() => undefined)
      } else if (record !== null) {
        handled.add(`${id} ${pid} ${status}`)
        // Behind a closed door nobody is lost; an open one is left through the drain.
        kill(pid, record.phase === 'open' || record.phase === 'draining' ? 'SIGINT' : 'SIGKILL')
      }
    }
    await delay(POLL)
  }
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

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It is gone already.
  }
}
