/** What an activation says to workers without PM2. */
import { signal } from '../system/processes.ts'
import { readWorkers } from '../pm2/workers.ts'
import type { FleetOptions } from './fleet.ts'

/** Tells a worker to leave, as PM2 does: it closes its door and drains. */
export function tell(pid: number): void {
  signal(pid, 'SIGINT')
}

export function kill(pid: number): void {
  signal(pid, 'SIGKILL')
}

/**
 * Tells workers to leave that PM2 does not list. Those that it replaces were told already, and hear it once more. Others
 * it has forgotten: it starts a process twice that is restarted before it was ready (7.0.4), and keeps one of the two.
 */
export async function dismissForgotten({ layout, pm2, appName }: FleetOptions): Promise<void> {
  const listed = new Set((await pm2.list(appName)).map(({ pid }) => pid))
  for (const { pid, candidate, phase } of await readWorkers(layout.workers)) {
    if (!candidate && phase === 'open' && !listed.has(pid)) tell(pid)
  }
}
