/**
 * The release that a rollback goes to: `release`, or the one that served before the current one on all hosts. From a
 * canary that is the current one.
 */
import { listed } from '../common/format.ts'
import { agreed } from '../outcome.ts'
import type { Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { CHOOSE_ANOTHER, failure } from '../common/errors/run.ts'
import { fill } from '../common/errors/text.ts'
import { describeHole, holesOf } from '../next/vulnerable.ts'
import { Failure } from '../common/failure.ts'
import { servedBefore, stateOf } from '../protocol/history.ts'
import type { ReleaseSummary, Result } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'

export type History = readonly ReleaseSummary[]

export interface Choice {
  readonly release: string
  /** The current release that it was chosen for; null where the user named the release. */
  readonly replaces: string | null
}

/**
 * Chooses the release, and verifies every file of it on every host. A file outside of code that the app changed is a
 * warning: the release can serve with it, as it did before.
 * @throws Failure `unknown-release`, `no-release-to-go-back-to`, `release-damaged`
 */
export async function chooseRelease(plan: Plan, hosts: readonly Host[], pipeline: Pipeline): Promise<Choice> {
  const histories = await historiesOf(plan, hosts, pipeline)
  const known = listOf(hosts, histories)
  const { release: named } = plan.inputs
  const current = agreed(histories.map(currentIn))
  const fromCanary = hosts.some(({ facts }) => facts.canary !== null) ? current : null
  const id = named ?? fromCanary ?? previousEverywhere(histories, known)
  if (!histories.every((history) => history.some((release) => release.id === id))) {
    const where = hosts.length === 1 ? 'the server' : 'every host'
    throw known === ''
      ? failure('unknown-release: none', { release: id, hosts: where })
      : failure('unknown-release', { release: id, hosts: where, known })
  }
  for (const warning of holesIn(id, histories)) pipeline.log.warning(warning)
  const { 'dry-run': dryRun, 'max-parallel': atOnce } = plan.inputs
  await onEach(hosts, atOnce, pipeline, async (host, { log }) =>
    tell(id, await host.agent().call('integrity', { id, repair: !dryRun }), dryRun, log),
  ).catch((error: unknown) => {
    const damaged = Failure.from(error)
    if (damaged.code !== 'release-damaged') throw damaged
    throw damaged.reworded(damaged.message, { remedy: fill(CHOOSE_ANOTHER, { known }) })
  })
  return { release: id, replaces: named === null ? current : null }
}

/** A rollback goes on: the release that serves may be worse than one with a hole. */
function holesIn(id: string, histories: readonly History[]): readonly string[] {
  const releases = histories.flatMap((history) => history.filter((release) => release.id === id))
  const versions = new Set(releases.flatMap(({ info }) => info?.nextVersion ?? []))
  return [...versions].flatMap((version) =>
    holesOf(version).map((hole) => `Release ${id}: ${describeHole(version, hole)}`),
  )
}

function tell(
  id: string,
  { repaired, changed }: Result<'integrity'>,
  dryRun: boolean,
  log: Pick<Log, 'warning'>,
): void {
  if (repaired.length > 0) {
    const done = dryRun ? 'A rollback restores them' : 'They were restored'
    const what = `Files of release ${id} were missing or damaged: ${listed(repaired)}.`
    log.warning(`${what} ${done} from the other releases on the server.`)
  }
  if (changed.length > 0) {
    log.warning(
      `Files of release ${id} are not as they were uploaded: ${listed(changed)}. The rollback uses them as they are. ` +
        'If the app writes them, name them in `shared-files` or their folders in `shared-dirs`.',
    )
  }
}

export interface CommonReleases {
  /** Those that every host has, oldest first. */
  readonly everywhere: readonly string[]
  /** Those of them that were verified on every host. */
  readonly good: readonly string[]
}

export async function commonReleases(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<CommonReleases> {
  const histories = await historiesOf(plan, hosts, pipeline)
  const verified = histories.map((history) => history.filter(({ activatedAt }) => activatedAt !== null))
  return { everywhere: inAll(histories), good: inAll(verified) }
}

export function historiesOf(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<readonly History[]> {
  return onEach(hosts, plan.inputs['max-parallel'], pipeline, async (host) => {
    const { releases } = await host.agent().call('releases', {})
    return releases
  })
}

function inAll([first = [], ...others]: readonly History[]): readonly string[] {
  return first
    .map(({ id }) => id)
    .filter((id) => others.every((history) => history.some((other) => other.id === id)))
}

/** The release that served before the current one on every host. */
function previousEverywhere(histories: readonly History[], known: string): string {
  const [first = [], ...others] = histories.map((history) => servedBefore(history, currentIn(history)))
  const previous = first.findLast((id) => others.every((served) => served.includes(id)))
  if (previous === undefined) {
    throw known === ''
      ? failure('no-release-to-go-back-to: none')
      : failure('no-release-to-go-back-to', { known })
  }
  return previous
}

export function currentIn(history: History): string | null {
  return history.find(({ live }) => live)?.id ?? null
}

/** Empty where there is none. */
function listOf(hosts: readonly Host[], histories: readonly History[]): string {
  const lists = histories.map(releasesIn)
  const [first = ''] = lists
  if (new Set(lists).size === 1) return first
  return hosts.map(({ name }, index) => `${lists[index] || 'none'} on ${name}`).join('; ')
}

function releasesIn(history: History): string {
  const usual = new Set(['verified', 'previous'])
  return history
    .map((release) => {
      const state = stateOf(release, history)
      return usual.has(state) ? release.id : `${release.id} (${state})`
    })
    .join(', ')
}
