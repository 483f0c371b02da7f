/** check: everything that a deploy needs, in one table. It changes nothing. */
import { Failure } from '../common/failure.ts'
import { onBareHosts } from '../hosts/bare.ts'
import { agreed, type HostOutcome, nothingKnown, type Outcome, overall, untouched } from '../outcome.ts'
import { assertChecked, checkHost } from '../phases/check-host.ts'
import { checkUrl } from '../phases/check-url.ts'
import type { Story } from './index.ts'

export const check: Story = async (plan, { agentFile }, pipeline) => {
  const hosts = await onBareHosts(plan, pipeline, (host, { run, log }) =>
    run('check', () => checkHost(plan, agentFile, host, log)),
  )
  return concluded(hosts, await checkUrl(plan.inputs['health-check-url']))
}

/** Returns the outcome of a run that ends with the checks of its hosts. @param more of the runner */
export function concluded(hosts: readonly HostOutcome[], more: NonNullable<HostOutcome['checks']>): Outcome {
  const seen = hosts.map((host, index) =>
    index === 0 ? { ...host, checks: [...(host.checks ?? []), ...more] } : host,
  )
  const live = agreed(seen.map((host) => host.live))
  const outcome = { ...untouched({ ...nothingKnown, live }), hosts: seen }
  try {
    assertChecked(seen)
    const status = live === null ? 'down' : overall(seen.map((host) => host.status))
    return { ...outcome, status, succeeded: true }
  } catch (error) {
    return { ...outcome, failure: Failure.from(error) }
  }
}
