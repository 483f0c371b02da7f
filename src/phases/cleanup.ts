/** cleanup: prunes what is no longer needed. A failure here never undoes a deploy that is live. */
import { plural } from '../format.ts'
import type { Done } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Host } from './hosts.ts'

export async function cleanUp({ inputs, activation }: Plan, host: Host): Promise<Done<void>> {
  const params = { keep: inputs.keepReleases, activation }
  const { removed, inUse, kept, leftTo } = await host.agent().call('cleanup', params)
  if (leftTo !== null) return { value: undefined, detail: `left to the deploy that is running: ${leftTo}` }
  const busy = inUse.length === 0 ? '' : `, ${inUse.join(', ')} still in use`
  return {
    value: undefined,
    detail: `removed ${plural(removed.length, 'release')}, kept ${kept.length}${busy}`,
  }
}
