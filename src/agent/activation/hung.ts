/** Workers whose event loop stands still: they hear no signal, and PM2 waits its whole `kill_timeout` for them. */
import type { HealthCheck } from '../../common/health.ts'
import { askHealth } from '../../common/health.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import { kill } from './signals.ts'

/** A launcher that lives closes its door at once when it is told to leave. After this it is asked whether it does, in ms. */
const PATIENCE = 5000
/** Whose event loop turns has answered by then, whatever the answer is, in ms. */
const ANSWER = 5000

export interface HungWorkers {
  /** Of workers that were told to leave: ends those that hang behind an open door. Call again and again. */
  end(told: readonly WorkerRecord[]): Promise<void>
}

/** A record alone is no proof: on a full disk it stays as it was. */
export function hungWorkers(check: HealthCheck): HungWorkers {
  const since = new Map<string, number>()
  return {
    async end(told) {
      const now = performance.now()
      const open = told.filter(({ phase }) => phase === 'open')
      const late = open.filter(({ pid, startTime }) => {
        const worker = `${pid} ${startTime}`
        const first = since.get(worker) ?? now
        since.set(worker, first)
        return now - first >= PATIENCE
      })
      await Promise.all(
        late.map(async ({ pid, port }) => {
          const { status } = await askHealth('127.0.0.1', port, check, ANSWER)
          if (status === 0) kill(pid)
        }),
      )
    },
  }
}
