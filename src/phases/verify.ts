/** verify: boots the release on a spare port of the server and checks its health, before anything live is touched. */
import { formatDuration } from '../common/format.ts'
import type { Done, Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Result, Said } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { notSharing } from '../outcome.ts'
import { reject, type Target, warnOfMissing } from './target.ts'

/**
 * Verifies the release on all hosts.
 * @returns the warning about missing files, if there was one
 * @throws Failure of the first host, after which a new release is rejected
 */
export async function verifyAll(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  target: Target,
): Promise<string | undefined> {
  const { said, 'max-parallel': atOnce } = plan.inputs
  const verified = onEach(hosts, atOnce, pipeline, (host, log) =>
    log.run('verify', () => verify(host, target.release, said)),
  )
  const logs = await verified.catch(async (error: unknown) => {
    await reject(hosts, target, { swapped: false, remove: true })
    throw error
  })
  return warnOfMissing(pipeline, target, 'verify', logs)
}

/**
 * @returns the lines of its log about missing files
 * @throws Failure `candidate-died`, `candidate-unhealthy`, `candidate-silent`, `port-taken`, `address-differs`
 */
async function verify(host: Host, id: string, said: Said): Promise<Done<string>> {
  const found = await host.agent().call('verify', { id, said })
  return { value: found.notFound, detail: detailOf(found) }
}

function detailOf({ bootMs, status, movedPorts, cache }: Result<'verify'>): string {
  const healthy = `healthy on a spare port after ${formatDuration(bootMs)} (HTTP ${status})`
  const moved = movedPorts.map(
    (port) => `port ${port} is in use, so the app was given a free port for this check`,
  )
  return [healthy, ...moved, ...notSharing([{ cache }])].join('; ')
}
