/** Watches the workers that serve, and those that should not any more. */
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../common/failure.ts'
import type { Runtime } from '../../protocol/messages.ts'
import { askHealth } from '../../common/health.ts'
import { reachable } from '../system/sockets.ts'
import { readWorkers } from '../pm2/workers.ts'
import { type FleetOptions, listWorkers, serves, waitFor, type Worker } from './fleet.ts'

/**
 * Watches workers that serve for `observeMs`: the same processes, each healthy whenever it is asked.
 * @throws Failure `worker-died` or `worker-unhealthy`
 */
export async function observe(
  options: FleetOptions,
  release: string,
  workers: readonly Worker[],
  runtime: Runtime,
): Promise<void> {
  const until = performance.now() + runtime.observeMs
  const pids = workers.map(({ process }) => process.pid)
  do {
    const now = (await listWorkers(options)).filter((worker) => serves(worker, release))
    if (!pids.every((pid) => now.some(({ process }) => process.pid === pid))) {
      throw new Failure('worker-died', `a worker of ${release} died after it began to take traffic`)
    }
    for (const { process, record } of now) {
      const answer = await askHealth('127.0.0.1', record!.port, runtime.health)
      if (!answer.healthy) {
        throw new Failure(
          'worker-unhealthy',
          `worker ${process.pid} of ${release} became unhealthy: ${answer.detail}`,
          { evidence: answer.excerpt },
        )
      }
    }
    // The old workers still answer here beside the new ones, and may not know the new health path: any answer
    // shows that the port is open.
    const door = await askHealth(reachable(runtime.host), runtime.port, runtime.health)
    if (door.status === 0) {
      throw new Failure('door-closed', `nobody answers on ${runtime.host}:${runtime.port}: ${door.detail}`)
    }
    await delay(Math.min(runtime.health.intervalMs, 500))
  } while (performance.now() < until)
}

/** Waits until the workers of other releases have closed their doors: from then on all answers are the new one's. */
export async function untilOthersLeft(
  { layout }: FleetOptions,
  release: string,
  timeoutMs: number,
): Promise<boolean> {
  return waitFor(
    async () =>
      (await readWorkers(layout.workers)).every(
        (worker) => worker.release === release || worker.candidate || worker.phase !== 'open',
      ),
    timeoutMs,
  )
}
