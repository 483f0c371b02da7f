/** The one sentence of truth: what is live now, and whether what was asked for happened. */
import type { Inputs } from '../inputs/index.ts'
import { type HostOutcome, type Outcome, wouldFail } from '../outcome.ts'

export type Command = Inputs['command']

/** More hosts than that are only counted. */
const MANY = 5

export function sentence(outcome: Outcome, command: Command | undefined): string {
  const { status, succeeded, release, liveRelease, previousRelease, hosts } = outcome
  const live = liveRelease ?? 'no release'
  const everywhere = hosts.length > 1 ? ` on all ${hosts.length} hosts` : ''
  if (command === 'status' && succeeded) {
    return status === 'live' ? `${live} is live${everywhere}.` : unhealthy(hosts)
  }
  switch (status) {
    case 'live':
      return previousRelease === null || previousRelease === liveRelease
        ? `${live} is live and verified${everywhere}.`
        : `${live} is live and verified${everywhere}; before it was ${previousRelease}.`
    case 'kept':
      if (succeeded) return `Dry run: nothing was changed; ${live} is live.${foreseen(hosts)}`
      return liveRelease === null
        ? 'Nothing went live, and nothing on the server was touched.'
        : `${live} is still live, untouched.`
    case 'restored':
      if (hosts.length > 1 && liveRelease === null)
        return `${release ?? 'The new release'} failed after the swap; every host was put back: ${perHost(hosts)}.`
      return `${release ?? 'The new release'} failed after the swap; ${live} was put back and is live and verified${everywhere}.`
    case 'down':
      if (hosts.length > 1) return `${release ?? 'The run'} failed: ${perHost(hosts)}.`
      return liveRelease === null
        ? `${release ?? 'The run'} failed, and no release is known to be healthy.`
        : `${release ?? 'The run'} failed; ${live} takes requests, but is not known to be healthy.`
  }
}

function unhealthy(hosts: readonly HostOutcome[]): string {
  const meant = hosts.flatMap(({ releases }) => releases.find((release) => release.live)?.id ?? [])
  if (hosts.every(({ releases }) => releases.length === 0)) return 'Nothing has been deployed yet.'
  if (meant.length === 0) return 'No release is live.'
  return hosts.every(({ live, workers }) => live === null && workers.length === 0)
    ? `${[...new Set(meant)].join(', ')} is meant to be live, but no worker runs.`
    : 'The workers do not all serve the release that is meant to be live.'
}

/** What a dry run foresees, where that is no success. */
function foreseen(hosts: readonly HostOutcome[]): string {
  const fails = hosts.filter(({ rehearsal }) => rehearsal !== null && wouldFail(rehearsal)).length
  if (fails === 0) return ''
  return ` The run would fail${hosts.length > 1 ? ` on ${fails} of ${hosts.length} hosts` : ''} as things are.`
}

/** `A on 10.0.0.11, 10.0.0.12; nothing that is known on 10.0.0.13` */
function perHost(hosts: readonly HostOutcome[]): string {
  const names = new Map<string, string[]>()
  for (const { name, status, live } of hosts) {
    const what =
      live === null ? 'nothing that is known' : status === 'down' ? `${live}, which did not go back,` : live
    names.set(what, [...(names.get(what) ?? []), name ?? ''])
  }
  const list = (some: readonly string[]) => (some.length > MANY ? `${some.length} hosts` : some.join(', '))
  return [...names].map(([what, some]) => `${what} on ${list(some)}`).join('; ')
}
