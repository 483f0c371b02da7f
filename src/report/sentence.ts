/** The one sentence of truth: what is live now, and whether what was asked for happened. */
import type { Inputs } from '../inputs.ts'
import type { Outcome } from '../outcome.ts'

export type Command = Inputs['command']

export function sentence(outcome: Outcome, command: Command | undefined): string {
  const { status, succeeded, release, liveRelease, previousRelease, hosts } = outcome
  const live = liveRelease ?? 'no release'
  const everywhere = hosts.length > 1 ? ` on all ${hosts.length} hosts` : ''
  if (command === 'status' && succeeded) {
    return status === 'live'
      ? `${live} is live${everywhere}.`
      : 'The workers do not all serve the release that is meant to be live.'
  }
  switch (status) {
    case 'live':
      return previousRelease === null || previousRelease === liveRelease
        ? `${live} is live and verified${everywhere}.`
        : `${live} is live and verified${everywhere}; before it was ${previousRelease}.`
    case 'kept':
      if (succeeded) return `Dry run: nothing was changed; ${live} is live.`
      return liveRelease === null
        ? 'Nothing went live, and nothing on the server was touched.'
        : `${live} is still live, untouched.`
    case 'restored':
      return `${release ?? 'The new release'} failed after the swap; ${live} was put back and is live and verified${everywhere}.`
    case 'down':
      return `${release ?? 'The run'} failed, and no release is known to be healthy.`
  }
}
