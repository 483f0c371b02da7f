/** verify: boots the release on a spare port of the server and checks its health, before anything live is touched. */
import { resolve } from 'node:path'
import { formatDuration } from '../common/format.ts'
import { Failure } from '../common/failure.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import { buildsCheckout, type Plan } from '../plan.ts'
import type { Result } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { notSharing } from '../outcome.ts'
import { reject, type Target, warnOfMissing } from './target.ts'
import { Cancelled, verifyWithTest } from './test-candidate.ts'

/**
 * @returns the warning about missing files, if there was one
 * @throws Failure of the first host, after which a new release is rejected
 */
export async function verifyAll(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  target: Target,
): Promise<string | undefined> {
  const { command, 'max-parallel': atOnce, 'test-command': test } = plan.inputs
  // What is promoted was tested when it was staged, and what a rollback goes to has served.
  const tested = test !== null && buildsCheckout({ command }) ? hosts[0] : undefined
  const verified = onEach(hosts, atOnce, pipeline, (host, log) =>
    log.run('verify', () => verify(plan, host, target.release, host === tested ? test : null, log.log)),
  )
  const logs = await verified.catch(async (error: unknown) => {
    await reject(hosts, target, { swapped: false, remove: true })
    const { cause } = Failure.from(error)
    if (cause instanceof Cancelled) await cause.obey()
    throw error
  })
  return warnOfMissing(pipeline, target, 'verify', logs)
}

/**
 * @returns the lines of its log about missing files
 * @throws Failure `candidate-died`, `candidate-unhealthy`, `candidate-silent`, `port-taken`, `address-differs`, `test-failed`
 */
async function verify(
  { inputs }: Plan,
  host: Host,
  id: string,
  test: string | null,
  log: Log,
): Promise<Done<string>> {
  const { said, command } = inputs
  const deploys = command !== 'rollback'
  if (test === null) {
    const found = await host.agent().call('verify', { id, said, testMs: null, deploys })
    return { value: found.notFound, detail: detailOf(found) }
  }
  const directory = resolve(inputs.workspace, inputs['working-directory'])
  const asked = { id, said, command: test, directory, limitMs: inputs['test-timeout'] }
  const { found, testMs } = await verifyWithTest(host, asked, log)
  const passed = `\`test-command\` passed after ${formatDuration(testMs)}`
  return { value: found.notFound, detail: `${detailOf(found)}; ${passed}` }
}

function detailOf({ bootMs, status, movedPorts, cache }: Result<'verify'>): string {
  const healthy = `healthy on a spare port after ${formatDuration(bootMs)} (HTTP ${status})`
  const moved = movedPorts.map(
    (port) => `port ${port} is in use, so the app was given a free port for this check`,
  )
  return [healthy, ...moved, ...notSharing([{ cache }])].join('; ')
}
