/** The frame of every command: it connects first, and every failure after that becomes an outcome. */
import { agreed, type Known, nothingKnown, type Outcome, untouched } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import { buildsCheckout, type Plan } from '../plan.ts'
import type { Programs } from '../agent-client/programs.ts'
import { Failure } from '../common/failure.ts'
import type { ReleaseInfo } from '../protocol/messages.ts'
import { connect } from '../hosts/connect.ts'
import type { Host } from '../hosts/host.ts'
import { withTimeout } from '../common/timeout.ts'

/** What the command has found out so far, for the report of a failure. */
export type Findings = { -readonly [K in keyof Known]: Known[K] }

export async function withHosts(
  plan: Plan,
  programs: Programs,
  pipeline: Pipeline,
  act: (hosts: readonly Host[], known: Findings) => Promise<Outcome>,
): Promise<Outcome> {
  const { command, 'dry-run': dryRun } = plan.inputs
  const known: Findings = { ...nothingKnown }
  let hosts: readonly Host[] = []
  let infos: readonly ReleaseInfo[] = []
  try {
    // The agent would make a folder for a preview that is not there.
    const persist = command !== 'status' && command !== 'preview-remove' && !dryRun
    const forUpload = buildsCheckout(plan.inputs)
    hosts = await connect(plan, { ...programs, persist, forUpload }, pipeline)
    known.live = agreed(hosts.map(({ facts }) => facts.serving))
    if (command !== 'status') void infosOn(hosts[0]!).then((found) => (infos = found))
    const outcome = await act(hosts, known)
    return { ...outcome, infos }
  } catch (error) {
    known.live = await servingNow(hosts, known.live)
    return { ...untouched(known), failure: Failure.from(error), infos }
  } finally {
    for (const host of hosts) host.close()
  }
}

/** In ms. */
const LOOK = 5000

/** The release that served before the build may not serve any more. @param before for a server that does not answer */
async function servingNow(hosts: readonly Host[], before: string | null): Promise<string | null> {
  if (hosts.length === 0) return before
  const looks = hosts.map((host) => host.agent().call('inspect', {}))
  const seen = Promise.all(looks).then((facts) => agreed(facts.map(({ serving }) => serving)))
  return withTimeout(seen, LOOK, () => new Error('no answer')).catch(() => before)
}

/** For the report alone: nobody waits for it, and no run fails because of it. */
async function infosOn(host: Host): Promise<readonly ReleaseInfo[]> {
  try {
    const { releases } = await host.agent().call('releases', {})
    return releases.flatMap(({ info }) => info ?? [])
  } catch {
    return []
  }
}
