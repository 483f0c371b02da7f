/**
 * recover: finishes what an earlier run left unfinished because a process, the runner or a server died. It has a row
 * only where there is something to recover.
 */
import { agreed } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { failure } from '../common/errors/run.ts'
import { Failure } from '../common/failure.ts'
import type { ServerFacts } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { commonReleases } from './rollback-target.ts'
import { settled } from './settled.ts'
import { restoreRelease } from './roll-out-host.ts'

/**
 * A failure does not stop the run: its release may be what the server needs.
 * @returns what serves afterwards, where all hosts serve the same
 */
export async function recover(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<string | null> {
  const facts = await settled(plan, hosts, pipeline)
  const interrupted = hosts.map((host, index) => ({ name: host.name, host, facts: facts[index]! }))
  const found = await onEach(interrupted, plan.inputs['max-parallel'], pipeline, finish)
  const restored = await restoreSameRelease(
    plan,
    hosts,
    found.map(({ live }) => live),
    pipeline,
  )
  return restored === undefined ? agreed(found.map(({ serving }) => serving)) : restored
}

type Found = Pick<ServerFacts, 'live' | 'serving'>

/** The server finishes an interrupted activation, or restores the previous release, as it does of a canary. */
async function finish(
  {
    host,
    facts: { interrupted, live, serving, canary, probation },
  }: { readonly host: Host; readonly facts: ServerFacts },
  pipeline: Pipeline,
): Promise<Found> {
  if (probation) pipeline.log.warning(probation)
  if (interrupted === null) return { live, serving }
  let served: string | null = null
  const recovery = pipeline.run('recover', async () => {
    const verdict = await host.agent().call('watch', { activation: interrupted, withdraw: canary !== null })
    served = verdict.live
    if (verdict.status === 'down') throw Failure.revive(verdict.failure!)
    const detail = `finished an interrupted run: it ended ${verdict.status}, ${verdict.live} is live`
    return { value: { live: verdict.live, serving: served }, detail }
  })
  return recovery.catch(() => ({ live, serving: served }))
}

/**
 * A run that died between two hosts left some with the new release and some with the old one. All get the newest of the
 * current releases that was verified on every host. A host that lacks one has missed a deploy: the next repairs that.
 * @returns what is current on all hosts afterwards, or null; undefined where there was nothing to do
 */
export async function restoreSameRelease(
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
  const others = hosts.flatMap((host, index) => {
    const live = lives[index] ?? null
    return live === null || live === goal ? [] : [{ name: host.name, host, live }]
  })
  const seen = hosts.map(({ name }, index) => `${name} had ${lives[index] ?? 'none'}`).join(', ')
  const { inputs } = plan
  const restore = async ({ host, live }: (typeof others)[number], log: Pipeline) =>
    log.run('recover', async () => {
      if (goal === undefined) throw failure('hosts-differ', { seen })
      await restoreRelease(host, { run: inputs.run, lockTimeoutMs: inputs['lock-timeout'] }, goal, live, log)
      return { value: null, detail: `an earlier run stopped between the hosts (${seen}): restored ${goal}` }
    })
  return onEach(others, inputs['max-parallel'], pipeline, restore).then(
    () => goal ?? null,
    () => null,
  )
}
