/** Which release a rollback goes to: the one asked for, or the newest good one before the live one, on all hosts. */
import { listed } from '../format.ts'
import type { Log, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../protocol/failure.ts'
import type { ReleaseSummary, Result } from '../protocol/messages.ts'
import { type Host, onEach } from './hosts.ts'

type History = readonly ReleaseSummary[]

/**
 * Chooses the release, and has every file of it proven on every host. A file outside of code that the app changed is a
 * warning: the release can serve with it, as it did before.
 * @throws Failure `unknown-release`, `no-release-to-go-back-to`, `release-damaged`
 */
export async function chooseRelease(plan: Plan, hosts: readonly Host[], pipeline: Pipeline): Promise<string> {
  const histories = await historiesOf(plan, hosts, pipeline)
  const remedy = listOf(hosts, histories)
  const id = plan.inputs.release ?? newestBeforeLive(histories, remedy)
  if (!histories.every((history) => history.some((release) => release.id === id))) {
    const where = hosts.length === 1 ? 'the server' : 'every host'
    throw new Failure('unknown-release', `there is no release ${id} on ${where}`, { remedy })
  }
  const { dryRun, maxParallel } = plan.inputs
  await onEach(hosts, maxParallel, pipeline, async (host, { log }) =>
    tell(id, await host.agent().call('audit', { id, repair: !dryRun }), dryRun, log),
  ).catch((error: unknown) => {
    const failure = Failure.from(error)
    if (failure.code !== 'release-damaged') throw failure
    throw failure.reworded(failure.message, { remedy: `It cannot go live as it is. ${remedy}` })
  })
  return id
}

function tell(
  id: string,
  { healed, changed }: Result<'audit'>,
  dryRun: boolean,
  log: Pick<Log, 'warning'>,
): void {
  if (healed.length > 0) {
    const done = dryRun ? 'A rollback restores them' : 'They were restored'
    const what = `Files of release ${id} were missing or damaged: ${listed(healed)}.`
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
  /** Those of them that were shown to serve on every host. */
  readonly good: readonly string[]
}

export async function commonReleases(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<CommonReleases> {
  const histories = await historiesOf(plan, hosts, pipeline)
  return { everywhere: inAll(histories), good: goodEverywhere(histories) }
}

function historiesOf(plan: Plan, hosts: readonly Host[], pipeline: Pipeline): Promise<readonly History[]> {
  return onEach(hosts, plan.inputs.maxParallel, pipeline, async (host) => {
    const { releases } = await host.agent().call('releases', {})
    return releases
  })
}

function goodEverywhere(histories: readonly History[]): readonly string[] {
  return inAll(histories.map((history) => history.filter(({ activatedAt }) => activatedAt !== null)))
}

function inAll([first = [], ...others]: readonly History[]): readonly string[] {
  return first
    .map(({ id }) => id)
    .filter((id) => others.every((history) => history.some((other) => other.id === id)))
}

function newestBeforeLive(histories: readonly History[], remedy: string): string {
  const lives = histories.flatMap((history) => history.filter(({ live }) => live).map(({ id }) => id))
  const newest = goodEverywhere(histories).findLast((id) => lives.every((live) => id < live))
  if (newest === undefined) {
    const where = histories.length === 1 ? '' : ' on all hosts'
    const what = `there is no verified release before the live one${where}`
    throw new Failure('no-release-to-go-back-to', what, { remedy })
  }
  return newest
}

function listOf(hosts: readonly Host[], histories: readonly History[]): string {
  const lists = histories.map(describe)
  const [first = ''] = lists
  if (new Set(lists).size === 1)
    return first === '' ? 'There are no releases on the server yet.' : `These exist: ${first}.`
  return `The hosts have different releases: ${hosts.map(({ name }, index) => `${name}: ${lists[index] || 'none'}`).join('; ')}.`
}

function describe(history: History): string {
  return history
    .map(
      ({ id, live, activatedAt }) =>
        id + (live ? ' (live)' : activatedAt === null ? ' (never verified)' : ''),
    )
    .join(', ')
}
