/** A release's id: the UTC second in which its upload began, `YYYYMMDDHHMMSS`. The same on all hosts. */
export const RELEASE_ID = /^\d{14}$/

/** The id of the current second, or the second after the newest id, whatever the clock says. */
export function nextReleaseId(now: Date, taken: readonly (string | null)[]): string {
  const newest = taken
    .flatMap((id) => id ?? [])
    .toSorted()
    .at(-1)
  const id = idOf(now)
  return newest === undefined || id > newest ? id : idOf(new Date(releaseTime(newest).getTime() + 1000))
}

export function releaseTime(id: string): Date {
  return new Date(id.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6Z'))
}

function idOf(date: Date): string {
  return date.toISOString().replace(/\D/g, '').slice(0, 14)
}
