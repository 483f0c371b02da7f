/** setup: from a server that has only SSH to one where a deploy works. It ends with check. */
import { onBareHosts } from '../hosts/bare.ts'
import { checkHost, needsOf } from '../phases/check-host.ts'
import { checkUrl } from '../phases/check-url.ts'
import { fetcher, setUpHost } from '../phases/setup-host.ts'
import { concluded } from './check.ts'
import type { Story } from './index.ts'

export const setup: Story = async (plan, { agentFile }, pipeline) => {
  const fetched = fetcher()
  try {
    const hosts = await onBareHosts(plan, pipeline, async (host, log) => {
      await setUpHost(host, fetched, plan.inputs['node-version'], log, needsOf(plan))
      return log.run('check', () => checkHost(plan, agentFile, host, log.log))
    })
    return concluded(hosts, await checkUrl(plan.inputs['health-check-url']))
  } finally {
    fetched.remove()
  }
}
