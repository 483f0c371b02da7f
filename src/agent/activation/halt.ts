/**
 * Stops workers that may be about to start. PM2 takes a process that is stopped before it was ready for one that
 * crashed, and starts it anew (7.0.4), so that a release that dies again and again cannot be stopped by asking. A
 * worker that starts while the activation says `halt` starts nothing, is ready at once, and can be.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../common/failure.ts'
import type { Activation } from './context.ts'
import { describe, listWorkers, POLL, waitFor, type Worker } from './fleet.ts'
import { hungWorkers } from './hung.ts'
import { kill } from './signals.ts'

/** Looks in a row that must find the app stopped: a restart that PM2 had begun may still come through. */
const CALM = 5
const TIMEOUT = 30_000

/**
 * Stops the app for good: for a first deploy that failed, with nothing to go back to.
 * @param drained whether to wait for workers that take no traffic any more and finish what is inside
 * @throws Failure `restore-failed`
 */
export async function stopAll(activation: Activation, drained: boolean): Promise<void> {
  await activation.announce({ halt: true })
  // Connections that stay hold a worker until the end of its drain.
  const deadline = performance.now() + activation.app.options.kill_timeout
  const asked = new Set<number>()
  const hung = hungWorkers(activation.target.runtime.health)
  for (let calm = 0; calm < CALM;) {
    const running = (await listWorkers(activation)).filter(
      (worker) => !hasStopped(worker) && (drained || !isLeaving(worker)),
    )
    calm = running.length === 0 ? calm + 1 : 0
    if (performance.now() >= deadline) {
      throw new Failure('restore-failed', `the app could not be stopped: ${describe(running[0])}`)
    }
    for (const worker of running) {
      const { id, pid, status } = worker.process
      if (pid === 0 || asked.has(pid)) continue
      if (isStarting(worker)) kill(pid)
      else if (status === 'online') activation.pm2.stop(id).catch(() => undefined)
      else continue
      asked.add(pid)
    }
    await hung.end(
      running.flatMap(({ process, record }) => (asked.has(process.pid) && record ? [record] : [])),
    )
    await delay(POLL)
  }
}

/**
 * Calms what PM2 starts again and again, as an earlier failure may have left it: PM2 does not reload it ("process
 * already started", 7.0.4), and nobody is served by it.
 */
export async function calm(activation: Activation): Promise<void> {
  const starting = async () => (await listWorkers(activation)).filter(isStarting)
  if ((await starting()).length === 0) return
  await activation.announce({ halt: true })
  await waitFor(async () => {
    const workers = await starting()
    for (const { process } of workers) if (process.pid > 0) kill(process.pid)
    return workers.length === 0
  }, TIMEOUT)
  await activation.announce({ halt: false })
}

/** Behind a closed door, and not told to wait. */
function isStarting({ process: { status }, record }: Worker): boolean {
  const ready = status === 'online' || status === 'stopped' || status === 'errored' || status === 'stopping'
  return !ready && (record === null || record.phase === 'booting' || record.phase === 'proving')
}

/** PM2 does not start it again. */
function isLeaving({ process: { status }, record }: Worker): boolean {
  return status === 'stopping' && record?.phase === 'draining'
}

function hasStopped({ process: { status }, record }: Worker): boolean {
  return record === null && (status === 'stopped' || status === 'errored')
}
