/** Which release served before which: the one definition for rollback, restore, cleanup, summary and status. */
import type { ReleaseSummary } from './messages.ts'

export type Served = Pick<ReleaseSummary, 'id' | 'activatedAt' | 'left'>

/** Returns the releases that served before the current one and that no rollback left, in the order of serving. */
export function servedBefore(releases: readonly Served[], current: string | null): readonly string[] {
  const until = releases.find(({ id }) => id === current)?.activatedAt ?? null
  return releases
    .flatMap(({ id, activatedAt: at, left }) => (at === null || left || id === current ? [] : [{ id, at }]))
    .filter(({ at }) => until === null || at < until)
    .sort((a, b) => (a.at < b.at ? -1 : 1))
    .map(({ id }) => id)
}

export function previousOf(releases: readonly Served[], current: string | null): string | null {
  return servedBefore(releases, current).at(-1) ?? null
}

export function stateOf(
  { id, live, left, staged, activatedAt }: ReleaseSummary,
  releases: readonly ReleaseSummary[],
): string {
  if (live) return 'live'
  if (staged) return 'staged'
  if (activatedAt === null) return 'never verified'
  if (left) return 'rolled back'
  const current = releases.find((release) => release.live)?.id ?? null
  return previousOf(releases, current) === id ? 'previous' : 'verified'
}
