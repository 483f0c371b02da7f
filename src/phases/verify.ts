/** verify: boots the release on a spare port of the server and asks its health, before anything live is touched. */
import { formatDuration } from '../format.ts'
import type { Done } from '../pipeline.ts'
import type { Host } from './hosts.ts'

/** @throws Failure `candidate-died`, `candidate-unhealthy`, `candidate-silent`, `port-taken` */
export async function verify(host: Host, id: string): Promise<Done<void>> {
  const { bootMs, status } = await host.agent().call('verify', { id })
  return {
    value: undefined,
    detail: `healthy on a spare port after ${formatDuration(bootMs)} (HTTP ${status})`,
  }
}
