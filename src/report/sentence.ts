/** The one sentence of truth: what is live now, and whether what was asked for happened. */
import type { Outcome } from '../outcome.ts'

export function sentence({
  status,
  succeeded,
  release,
  liveRelease,
  previousRelease,
  releases,
}: Outcome): string {
  const live = liveRelease ?? 'no release'
  if (releases.length > 0) {
    return status === 'live'
      ? `${live} is live.`
      : 'The workers do not all serve the release that is meant to be live.'
  }
  switch (status) {
    case 'live':
      return previousRelease === null || previousRelease === liveRelease
        ? `${live} is live and verified.`
        : `${live} is live and verified; before it was ${previousRelease}.`
    case 'kept':
      if (succeeded) return `Dry run: nothing was changed; ${live} is live.`
      return liveRelease === null
        ? 'Nothing went live, and nothing on the server was touched.'
        : `${live} is still live, untouched.`
    case 'restored':
      return `${release ?? 'The new release'} failed after the swap; ${live} was put back and is live and verified.`
    case 'down':
      return `${release ?? 'The run'} failed, and no release is known to be healthy.`
  }
}
