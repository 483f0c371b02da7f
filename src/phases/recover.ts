/**
 * recover: ends what an earlier run began and nobody ended, because a process, the runner or a server died. A row of
 * its own, and only where there is something to recover.
 */
import { agreed } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../common/failure.ts'
import type { ServerFacts } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { commonReleases } from './rollback-target.ts'
import { settled } from './settled.ts'
import { bringBack } from './switch-over.ts'

/**
 * What cannot be recovered does not stop the run: the release that it brings may be what is needed.
 * @returns what serves after it, where all hosts have the same
 */
export async function recover(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<string | null> {
  const facts = await settled(plan, hosts, pipeline)
  const interrupted = hosts.map((host, index) => ({ name: host.name, host, facts: facts[index]! }))
  const found = await onEach(interrupted, plan.inputs.maxParallel, pipeline, finish)
  const leveled = await level(
    plan,
    hosts,
    found.map(({ live }) => live),
    pipeline,
  )
  return leveled === undefined ? agreed(found.map(({ serving }) => serving)) : leveled
}

/** What `current` points at, and what takes the traffic. */
type Found = Pick<ServerFacts, 'live' | 'serving'>

/** An activation that was interrupted on one host: its server finishes it, or takes it back. */
async function finish(
  { host, facts: { interrupted, live, serving } }: { readonly host: Host; readonly facts: ServerFacts },
  pipeline: Pipeline,
): Promise<Found> {
  if (interrupted === null) return { live, serving }
  let served: string | null = null
  const recovery = pipeline.run('recover', async () => {
    const verdict = await host.agent().call('watch', { activation: interrupted, withdraw: false })
    served = verdict.live
    if (verdict.status === 'down') throw Failure.revive(verdict.failure!)
    const detail = `finished an interrupted run: it ended ${verdict.status}, ${verdict.live} is live`
    return { value: { live: verdict.live, serving: served }, detail }
  })
  return recovery.catch(() => ({ live, serving: served }))
}

/**
 * A run that died between two hosts left some new and some old. They are brought back to one release: the newest
 * of the live ones that was shown to serve on all of them. A run switches only what every host has got: a live
 * release that one of them lacks shows a host which missed a deploy, and the next brings it along.
 * @returns what is live everywhere after it, or null; undefined where there was nothing to do
 */
export async function level(
  plan: Plan,
  hosts: readonly Host[],
  lives: readonly (string | null)[],
  pipeline: Pipeline,
): Promise<string | null | undefined> {
  const different = new Set(lives.filter((id) => id !== null))
  if (different.size <= 1) return undefined
  const { everywhere, good } = await commonReleases(plan, hosts, pipeline)
  if (![...different].every((id) => everywhere.includes(id))) return undefined
  const goal = good.findLast((id) => different.has(id))
  const strays = hosts.flatMap((host, index) => {
    const live = lives[index] ?? null
    return live === null || live === goal ? [] : [{ name: host.name, host, live }]
  })
  const seen = hosts.map(({ name }, index) => `${name} had ${lives[index] ?? 'none'}`).join(', ')
  const { run, inputs } = plan
  const put = async ({ host, live }: (typeof strays)[number], log: Pipeline) =>
    log.run('recover', async () => {
      if (goal === undefined) throw new Failure('hosts-differ', `the hosts serve different releases: ${seen}`)
      await bringBack(host, { run, hosts: [], lockTimeoutMs: inputs.lockTimeoutMs }, goal, live, log)
      return { value: null, detail: `an earlier run stopped between the hosts (${seen}): restored ${goal}` }
    })
  return onEach(strays, inputs.maxParallel, pipeline, put).then(
    () => goal ?? null,
    () => null,
  )
}
