/** How a release has done since it went live. */
import { formatDuration, plural } from '../../common/format.ts'
import type { JournalEntry } from '../../protocol/messages.ts'
import { type Share, sum, tallyOf, toShare } from '../../protocol/tally.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import { type Counts, shareOf } from './judge.ts'

interface Restarted {
  readonly id: number
  readonly restarts: number
}

/** What PM2 has counted since the verdict that made the release live. */
export function restartsSince(
  entries: readonly JournalEntry[],
  release: string | null,
  processes: readonly Restarted[],
): number {
  const verdict = entries.findLast(
    (entry) => entry.verdict !== null && entry.verdict.live === release && entry.verdict.workers.length > 0,
  )?.verdict
  if (!verdict) return 0
  const then = new Map(verdict.workers.map(({ pmId, restarts }) => [pmId, restarts]))
  return processes.reduce(
    (all, { id, restarts }) => all + Math.max(0, restarts - (then.get(String(id)) ?? restarts)),
    0,
  )
}

/** For people; null where no worker of it tells. A worker that restarts begins to count anew. */
export function lived(
  entries: readonly JournalEntry[],
  release: string | null,
  processes: readonly Restarted[],
  records: readonly WorkerRecord[],
): string | null {
  const own = records.filter((record) => record.release === release && record.phase === 'open')
  if (release === null || own.length === 0) return null
  const share = toShare(sum(own.flatMap(({ traffic }) => (traffic === null ? [] : tallyOf(traffic)))))
  const restarts = plural(restartsSince(entries, release, processes), 'restart')
  return `${release} so far: ${inWords(share)}, ${restarts}`
}

export function inWords(share: Share): string {
  const { answered, p95 } = share
  const time = p95 === null ? '' : `, p95 ${formatDuration(p95)}`
  return `${plural(answered, 'request')}, ${percent(share)} failed${time}`
}

export function percent(counts: Counts): string {
  return `${(100 * shareOf(counts)).toFixed(1)}%`
}
