/** swap → reload → health-check (→ rollback) on one host: one activation on the server, told phase by phase. */
import { randomUUID } from 'node:crypto'
import type { Ended } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import { Failure } from '../common/failure.ts'
import { type ActivationRequest, keptVerdict, type Verdict } from '../protocol/messages.ts'
import { activate, reviveFailure } from './activate-host.ts'
import { type Host, named } from '../hosts/host.ts'

/** Never throws: whatever happens, something is true about the host afterwards. */
export async function switchOver(host: Host, request: ActivationRequest, pipeline: Pipeline): Promise<Ended> {
  const activation = activate(host, request, pipeline.log.info)
  const step = (name: 'swap' | 'reload' | 'health-check' | 'rollback') =>
    pipeline.run(name, async () => ({ value: undefined, detail: await activation.step(name) }))
  let swapped = false
  try {
    await step('swap')
    swapped = true
    await step('reload')
    await step('health-check')
    const verdict = await activation.verdict
    return { name: host.name, verdict, failure: reviveFailure(verdict) }
  } catch (error) {
    const back = () => step('rollback').catch(() => undefined)
    // The server is on its way back already: the row has the time that it takes.
    const begun = swapped ? back() : undefined
    const verdict = await activation.verdict.catch((cause: unknown) =>
      unseen(host, cause, activation.hasSwapped()),
    )
    if (verdict.status === 'restored' || verdict.status === 'down') await (begun ?? back())
    const failure = reviveFailure(verdict) ?? Failure.from(error)
    return { name: host.name, verdict, failure: named(host.name, failure) }
  }
}

const UNSEEN: ReadonlySet<string> = new Set(['connection-lost', 'activation-died', 'activation-silent'])

/** An activation that ended out of sight may have switched: nobody knows what is healthy until it is asked. */
export function unseen({ facts: { serving } }: Host, error: unknown, swapped: boolean): Verdict {
  const failure = Failure.from(error)
  const kept = keptVerdict(serving, failure.toRecord())
  const mayHaveSwitched = swapped || UNSEEN.has(failure.code)
  return mayHaveSwitched ? { ...kept, status: 'down', live: null } : kept
}

/**
 * Takes a host back that is live already, because of a failure elsewhere: on another host, or at the public URL.
 * It goes the way that a rollback goes. Never throws.
 */
export async function switchBack(
  host: Host,
  request: ActivationRequest,
  { verdict: reached }: Ended,
  failure: Failure,
  pipeline: Pipeline,
): Promise<Ended> {
  const { name } = host
  const { previous, live } = reached
  const stuck = (more: string): Ended => ({
    name,
    verdict: { ...reached, status: 'down' },
    failure: failure.reworded(failure.message + more),
  })
  if (previous === null || previous === live) return stuck('; there is no release to go back to')
  try {
    const verdict = await pipeline.run('rollback', async () => {
      const value = await restoreOn(host, request, previous, live, pipeline)
      const { status } = value
      if (status !== 'live' && !wasOvertaken(value)) throw reviveFailure(value)
      return { value, detail: status === 'live' ? `restored ${previous}` : value.failure!.message }
    })
    if (!wasOvertaken(verdict))
      return { name, verdict: { ...verdict, status: 'restored', previous }, failure }
    return { name, verdict, failure: failure.reworded(`${failure.message} ${verdict.failure!.message}`) }
  } catch (cause) {
    return stuck(`; then the way back failed: ${Failure.from(cause).message}`)
  }
}

/** Another release went live before this one was taken back, and serves. */
function wasOvertaken({ status, failure }: Verdict): boolean {
  return status === 'restored' && failure?.code === 'overtaken'
}

/** What a restore has of the run that it belongs to. */
type Restoring = Pick<ActivationRequest, 'run' | 'hosts' | 'lockTimeoutMs'>

/**
 * Makes a release live that was shown to serve before, the way a rollback does.
 * @param replaces the release that it takes back
 * @throws Failure why it is not live
 */
export async function bringBack(
  host: Host,
  restoring: Restoring,
  release: string,
  replaces: string,
  pipeline: Pipeline,
): Promise<void> {
  const verdict = await restoreOn(host, restoring, release, replaces, pipeline)
  if (verdict.status !== 'live') throw reviveFailure(verdict)
}

function restoreOn(
  host: Host,
  { run, hosts, lockTimeoutMs }: Restoring,
  release: string,
  replaces: string | null,
  pipeline: Pipeline,
): Promise<Verdict> {
  const request: ActivationRequest = {
    activation: randomUUID(),
    release,
    kind: 'restore',
    replaces,
    run,
    hosts,
    lockTimeoutMs,
    preActivate: null,
    postActivate: null,
    said: null,
  }
  return activate(host, request, pipeline.log.info).verdict
}
