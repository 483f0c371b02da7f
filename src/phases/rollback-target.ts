/** Which release a rollback goes to: the one asked for, or the newest good one before the live one, on all hosts. */
import { agreed } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../protocol/failure.ts'
import type { ReleaseSummary } from '../protocol/messages.ts'
import { type Host, onEach } from './hosts.ts'

type History = readonly ReleaseSummary[]

export interface Choice {
  readonly release: string
  /** The current release that it was chosen for; null where the user named the release. */
  readonly replaces: string | null
}

/**
 * Chooses the release, and has every file of it proven on every host.
 * @throws Failure `unknown-release`, `no-release-to-go-back-to`, `release-damaged`
 */
export async function chooseRelease(plan: Plan, hosts: readonly Host[], pipeline: Pipeline): Promise<Choice> {
  const histories = await historiesOf(plan, hosts, pipeline)
  const remedy = listOf(hosts, histories)
  const { release: named } = plan.inputs
  const id = named ?? newestBeforeLive(histories, remedy)
  if (!histories.every((history) => history.some((release) => release.id === id))) {
    const where = hosts.length === 1 ? 'the server' : 'every host'
    throw new Failure('unknown-release', `there is no release ${id} on ${where}`, { remedy })
  }
  await onEach(hosts, plan.inputs.maxParallel, pipeline, (host) => host.agent().call('audit', { id })).catch(
    (error: unknown) => {
      const failure = Failure.from(error)
      if (failure.code !== 'release-damaged') throw failure
      throw failure.reworded(failure.message, { remedy: `It cannot go live as it is. ${remedy}` })
    },
  )
  const lives = histories.map((history) => history.find(({ live }) => live)?.id ?? null)
  return { release: id, replaces: named === undefined ? agreed(lives) : null }
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
