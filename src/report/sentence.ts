/** The one sentence of truth: what is live now, and whether the run did what it was asked to do. */
import type { Inputs } from '../inputs/index.ts'
import { type HostOutcome, type Outcome, wouldFail } from '../outcome.ts'

export type Command = Inputs['command']

/** More hosts than this are only counted. */
const MANY = 5

/** Returns the sentence that the summary begins with and the log ends with. */
export function sentence(outcome: Outcome, command: Command | undefined): string {
  const { status, succeeded, release, liveRelease, previousRelease, hosts } = outcome
  const everywhere = hosts.length > 1 ? ` on all ${hosts.length} hosts` : ''
  if (command === 'status' && succeeded)
    return status === 'live' ? `${liveRelease} is live${everywhere}.` : unhealthy(hosts)
  if (command === 'check' || command === 'setup') return checked(outcome, command)
  const live = liveRelease ?? 'no release'
  const run = `The ${command ?? 'run'}`
  switch (status) {
    case 'live': {
      const replaced = previousRelease === liveRelease ? null : previousRelease
      return `${live} is live and verified${everywhere}.${replaced === null ? '' : ` It replaced ${replaced}.`}`
    }
    case 'removed':
      return previousRelease === null ? 'The preview is not on the server.' : 'The preview was removed.'
    case 'kept':
      if (succeeded)
        return `Dry run: nothing was changed. ${liveRelease ?? 'No release'} is live.${foreseen(hosts, run)}`
      return liveRelease === null
        ? `${run} stopped before anything went live.`
        : `${run} stopped before anything live was changed. ${liveRelease} is still live.`
    case 'staged': {
      const still = liveRelease === null ? 'Nothing was swapped.' : `${liveRelease} is still live.`
      return `${release} is verified and staged${everywhere}. ${still}`
    }
    case 'restored': {
      const failed = `${release ?? 'The new release'} failed after the swap.`
      return hosts.length > 1 && liveRelease === null
        ? `${failed} Every host was restored: ${perHost(hosts)}.`
        : `${failed} ${live} was restored and is live and verified${everywhere}.`
    }
    case 'down': {
      const failed = release ?? run
      if (hosts.length === 0) return `It is unknown whether ${release ?? 'a new release'} is live.`
      if (hosts.length > 1) return `${failed} failed. Serving now: ${perHost(hosts)}.`
      if (liveRelease === null) return `${failed} failed, and no release is known to be healthy.`
      return liveRelease === release
        ? `${release} failed. It still serves, but is not known to be healthy.`
        : `${failed} failed. ${liveRelease} serves, but is not known to be healthy.`
    }
  }
}

function checked({ succeeded, hosts, liveRelease }: Outcome, command: Command): string {
  const live = liveRelease === null ? 'No release is live yet.' : `${liveRelease} is live.`
  if (succeeded) return `Everything is there for a deploy. ${live}`
  return hosts.length === 0
    ? `The ${command} failed. Nothing live was touched.`
    : `A deploy would fail. ${live}`
}

function unhealthy(hosts: readonly HostOutcome[]): string {
  const current = hosts.flatMap(({ releases }) => releases.find((release) => release.live)?.id ?? [])
  if (hosts.every(({ releases }) => releases.length === 0)) return 'Nothing has been deployed yet.'
  if (current.length === 0) return 'No release is live.'
  return hosts.every(({ live, workers }) => live === null && workers.length === 0)
    ? `The app is not running: ${[...new Set(current)].join(', ')} is current, but it has no worker.`
    : 'Not every worker serves the current release.'
}

/** Empty if a run without `dry-run` would succeed. */
function foreseen(hosts: readonly HostOutcome[], run: string): string {
  const fails = hosts.filter(({ dryRun }) => dryRun !== null && wouldFail(dryRun)).length
  if (fails === 0) return ''
  return ` ${run} would fail now${hosts.length > 1 ? ` on ${fails} of ${hosts.length} hosts` : ''}.`
}

/** `A on 10.0.0.11, 10.0.0.12; unknown on 10.0.0.13` */
function perHost(hosts: readonly HostOutcome[]): string {
  const names = new Map<string, string[]>()
  for (const { name, status, live } of hosts) {
    const what = live === null ? 'unknown' : status === 'down' ? `${live} (not restored)` : live
    names.set(what, [...(names.get(what) ?? []), name ?? ''])
  }
  const list = (some: readonly string[]) => (some.length > MANY ? `${some.length} hosts` : some.join(', '))
  return [...names].map(([what, some]) => `${what} on ${list(some)}`).join('; ')
}
