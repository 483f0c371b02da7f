/**
 * verify → swap → reload → health-check (→ rollback) → cleanup: the same for a new release and an old one.
 *
 * Several hosts: all verify before any swaps. The first swaps alone, with the canary, the others in batches. After any failure every
 * host that has swapped restores its previous release.
 */
import { type Ended, type Outcome, together } from '../outcome.ts'
import type { BatchSize } from '../inputs/index.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../common/failure.ts'
import { type ActivationRequest, keptVerdict } from '../protocol/messages.ts'
import { cleanUpAll } from './cleanup.ts'
import { checkPublicUrl } from './public-check.ts'
import type { Host } from '../hosts/host.ts'
import { restoreHost, rollOutHost } from './roll-out-host.ts'
import { reject, type Target, warnOfMissing } from './target.ts'
import { verifyAll } from './verify.ts'
import { watchHosts } from './watch.ts'

/** @throws Failure while nothing live has been touched */
export async function rollOut(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  goal: Target,
): Promise<Outcome> {
  let warned: string | undefined
  if (plan.inputs['candidate-check']) warned = await verifyAll(plan, hosts, pipeline, goal)
  else pipeline.skip('verify', '`candidate-check` is off')

  pipeline.log.remember(goal.release)
  const ended = await rollOutToEach(plan, hosts, pipeline, goal)
  const outcome = together(goal, ended)
  const logged = ended.map(({ verdict }) => verdict.notFound)
  if (outcome.succeeded) await warnOfMissing(pipeline, goal, 'health-check', logged, warned)
  // A host that cannot be reached may serve it. Then the next run must find the release on every host.
  const unknown = outcome.hosts.some(({ live }) => live === null)
  if (!outcome.succeeded) await reject(hosts, goal, { swapped: outcome.status !== 'kept', remove: !unknown })
  await cleanUpAll(plan, hosts, pipeline)
  return outcome
}

/** @returns how it ended on each host, in their order */
async function rollOutToEach(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  { kind, release, replaces }: Target,
): Promise<readonly Ended[]> {
  const { inputs, activation } = plan
  // A rollback is for all visitors at once, and a preview has no other release to compare with.
  const canaryMs = kind === 'rollback' || inputs.preview !== null ? 0 : inputs.canary
  const request: ActivationRequest = {
    activation,
    release,
    kind: kind === 'promote' ? 'deploy' : kind,
    replaces,
    run: inputs.run,
    lockTimeoutMs: inputs['lock-timeout'],
    preActivate: inputs['pre-activate'],
    postActivate: inputs['post-activate'],
    said: inputs.said,
    canaryMs: 0,
    watchMs: inputs.watch,
  }
  const ended = new Map<Host, Ended>()
  let failure: Failure | null = null
  for (const group of batches(hosts, inputs.batch)) {
    await Promise.all(
      group.map(async (host) => {
        const own = host === hosts[0] ? { ...request, canaryMs } : request
        ended.set(host, await rollOutHost(host, own, pipeline.on(host.name)))
      }),
    )
    failure = [...ended.values()].find((end) => end.failure !== null)?.failure ?? null
    if (failure !== null) break
  }
  const url = inputs['health-check-url']
  if (failure === null && url !== null) {
    const { health } = inputs.runtime
    failure = await pipeline
      .run('health-check', async () => ({ value: null, detail: await checkPublicUrl(url, health) }))
      .catch((error: unknown) => Failure.from(error))
  }
  if (failure === null && inputs.watch > 0) failure = await watchHosts(hosts, request, ended, pipeline)
  if (failure !== null) {
    const reason = failure
    const live = [...ended].filter(([, { verdict }]) => verdict.status === 'live')
    const restored = live.map(async ([host, end]) => {
      ended.set(host, await restoreHost(host, request, end, reason, pipeline.on(host.name)))
    })
    await Promise.all(restored)
  }
  return hosts.map((host) => ended.get(host) ?? notReached(host))
}

/** The first host alone, then the others. @param size of a batch: hosts, or a share of all of them */
export function batches<T>(hosts: readonly T[], size: BatchSize): readonly (readonly T[])[] {
  const [first, others] = [hosts.slice(0, 1), hosts.slice(1)]
  const step = Math.max(1, 'hosts' in size ? size.hosts : Math.ceil((hosts.length * size.percent) / 100))
  const groups = [first]
  for (let index = 0; index < others.length; index += step) groups.push(others.slice(index, index + step))
  return groups
}

/** Another host failed first: nothing on this host was touched. */
function notReached({ name, facts: { serving } }: Host): Ended {
  return { name, verdict: keptVerdict(serving, null), failure: null }
}
