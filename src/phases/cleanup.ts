/** cleanup: prunes what is no longer needed. A failure here never undoes a deploy that is live. */
import { plural } from '../format.ts'
import type { Inputs } from '../inputs.ts'
import type { Done } from '../pipeline.ts'
import type { Host } from './hosts.ts'

export async function cleanUp({ keepReleases, lockTimeoutMs }: Inputs, host: Host): Promise<Done<void>> {
  const { removed, inUse, kept } = await host.agent().call('cleanup', { keep: keepReleases, lockTimeoutMs })
  const busy = inUse.length === 0 ? '' : `, ${inUse.join(', ')} still in use`
  return {
    value: undefined,
    detail: `removed ${plural(removed.length, 'release')}, kept ${kept.length}${busy}`,
  }
}
