/** The release that is promoted: `release`, or the newest that is staged. It must be staged on every host. */
import { listed } from '../common/format.ts'
import { agreed } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { failure } from '../common/errors/run.ts'
import { failure as serverFailure } from '../common/errors/server.ts'
import type { ReleaseSummary } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { type Choice, currentIn, historiesOf, type History } from './rollback-target.ts'

/**
 * Chooses the release, and verifies every file of it on every host. A staged release has never served: what differs from
 * the upload was damaged.
 * @throws Failure `nothing-staged`, `not-staged`, `staged-outdated`, `staged-partly`, `release-damaged`
 */
export async function chooseStaged(plan: Plan, hosts: readonly Host[], pipeline: Pipeline): Promise<Choice> {
  const { release: named, 'max-parallel': atOnce } = plan.inputs
  const histories = await historiesOf(plan, hosts, pipeline)
  const where = hosts.length === 1 ? 'the server' : 'every host'
  const all = [...new Set(histories.flatMap((history) => history.filter(isStaged).map(({ id }) => id)))]
  const known = all.sort().join(', ')
  const id = named ?? all.at(-1)
  if (id === undefined) throw failure('nothing-staged', { hosts: where })
  assertNewer(id, histories, known || 'none')
  const isHere = (history: History) => history.some((release) => release.id === id && isStaged(release))
  const missing = hosts.filter((_, index) => !isHere(histories[index]!))
  if (missing.length === hosts.length)
    throw known === ''
      ? failure('nothing-staged', { hosts: where })
      : failure('not-staged', { release: id, hosts: where, known })
  if (missing.length > 0) {
    const names = (some: readonly Host[]) => listed(some.map(({ name }) => name ?? ''))
    const staged = hosts.filter((host) => !missing.includes(host))
    throw failure('staged-partly', { release: id, staged: names(staged), missing: names(missing) })
  }
  await onEach(hosts, atOnce, pipeline, async (host, { log }) => {
    const { repaired, changed } = await host.agent().call('integrity', { id, repair: false })
    if (repaired.length > 0)
      throw serverFailure('release-damaged: staged', { release: id, paths: listed(repaired) })
    if (changed.length > 0)
      log.warning(
        `Files of release ${id} are not as they were uploaded: ${listed(changed)}. The app writes them, or \`test-command\` did.`,
      )
  })
  return { release: id, replaces: agreed(histories.map(currentIn)) }
}

function isStaged({ staged }: ReleaseSummary): boolean {
  return staged
}

/** Ids are times: an older one may have been removed already. */
function assertNewer(id: string, histories: readonly History[], known: string): void {
  for (const current of histories.map(currentIn)) {
    if (current === id) throw failure('not-staged: live', { release: id, known })
    if (current !== null && id < current) throw failure('staged-outdated', { release: id, current })
  }
}
