/** stage: verifies the release on every host, and marks it as staged. Nothing is swapped. */
import { agreed, type HostOutcome, nothingMore, type Outcome, untouched } from '../outcome.ts'
import type { Done, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { cleanUpAll } from './cleanup.ts'
import { reject, type Target } from './target.ts'
import { verifyAll } from './verify.ts'

/** @throws Failure after which no host has the release staged */
export async function stage(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  target: Target,
): Promise<Outcome> {
  const { run, 'max-parallel': atOnce } = plan.inputs
  const { release } = target
  await verifyAll(plan, hosts, pipeline, target)
  const mark = async ({ name, agent }: Host): Promise<Done<HostOutcome>> => {
    const { serving } = await agent().call('markStaged', { id: release, run })
    return { value: { name, status: 'staged', live: serving, ...nothingMore }, detail: 'staged' }
  }
  const staged = await onEach(hosts, atOnce, pipeline, (host, log) =>
    log.run('verify', () => mark(host)),
  ).catch(async (error: unknown) => {
    await reject(hosts, target, { swapped: false, remove: true })
    throw error
  })
  await cleanUpAll(plan, hosts, pipeline)
  const live = agreed(staged.map((host) => host.live))
  return { ...untouched({ ...target, live }), status: 'staged', succeeded: true, hosts: staged }
}
