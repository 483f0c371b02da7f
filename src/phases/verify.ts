/** verify: boots the release on a spare port of the server and checks its health, before anything live is touched. */
import { formatDuration } from '../common/format.ts'
import type { Done } from '../pipeline.ts'
import type { Said } from '../protocol/messages.ts'
import type { Host } from '../hosts/host.ts'
import { notSharing } from '../outcome.ts'

/**
 * @returns the lines of its log about missing files
 * @throws Failure `candidate-died`, `candidate-unhealthy`, `candidate-silent`, `port-taken`, `address-differs`
 */
export async function verify(host: Host, id: string, said: Said): Promise<Done<string>> {
  const { bootMs, status, movedPorts, notFound, cache } = await host.agent().call('verify', { id, said })
  const healthy = `healthy on a spare port after ${formatDuration(bootMs)} (HTTP ${status})`
  const moved = movedPorts.map(
    (port) => `port ${port} is in use, so the app was given a free port for this check`,
  )
  const alone = notSharing([{ cache }])
  return { value: notFound, detail: [healthy, ...moved, ...alone].join('; ') }
}
