/** Workers that have outlived PM2's daemon: they serve, and no daemon knows them. */
import { plural } from '../../common/format.ts'
import type { WorkerState } from '../../protocol/messages.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import { memoryOf } from '../system/processes.ts'

export function orphansIn(records: readonly WorkerRecord[]): readonly WorkerRecord[] {
  return records.filter(({ candidate, orphaned }) => !candidate && orphaned !== null)
}

/** What they were, for people; null where there is none. */
export function describeOrphans(records: readonly WorkerRecord[]): string | null {
  const orphans = orphansIn(records)
  if (orphans.length === 0) return null
  const lost = exitedSince(records).length
  const gone = lost === 0 ? '' : `, ${lost} more exited meanwhile`
  return `PM2's daemon had died: ${plural(orphans.length, 'worker')} kept serving without it${gone}`
}

/** The pids of those that took traffic when the daemon died, and do not live any more. */
function exitedSince(records: readonly WorkerRecord[]): readonly number[] {
  const alive = new Set(records.map(({ pid }) => pid))
  const beside = orphansIn(records).flatMap(({ orphaned }) => orphaned?.beside ?? [])
  return [...new Set(beside)].filter((pid) => !alive.has(pid))
}

export function orphanStates(records: readonly WorkerRecord[]): readonly WorkerState[] {
  return orphansIn(records).map(({ pid, release, phase, cache, traffic }) => ({
    pmId: '',
    pid,
    status: 'orphaned',
    release,
    phase,
    restarts: 0,
    memoryBytes: memoryOf(pid),
    cache,
    traffic,
  }))
}
