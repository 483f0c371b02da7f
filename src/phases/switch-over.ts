/** swap → reload → health-check (→ rollback) on one host: one activation on the server, told phase by phase. */
import { randomUUID } from 'node:crypto'
import type { Ended } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import { Failure } from '../common/failure.ts'
import { type ActivationRequest, keptVerdict, type Verdict } from '../protocol/messages.ts'
import { activate, reviveFailure } from './activate-host.ts'
import { activationRows } from './activation-rows.ts'
import { type Host, named } from '../hosts/host.ts'

/** Never throws: whatever happens, something is true about the host afterwards. */
export async function switchOver(host: Host, request: ActivationRequest, pipeline: Pipeline): Promise<Ended> {
  const rows = activationRows(pipeline)
  const verdict = await activate(host, request, pipeline.log.info, (entry) => rows.add(entry)).catch(
    (error: unknown) => unseen(host, error, rows.hasSwapped()),
  )
  const failure = reviveFailure(verdict)
  rows.end(verdict.status, failure)
  return { name: host.name, verdict, failure: failure && named(host.name, failure) }
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
      return { value, detail: status === 'live' ? `${previous} is live again` : value.failure!.message }
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
type Restoring = Pick<ActivationRequest, 'run' | 'lockTimeoutMs'>

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
  { run, lockTimeoutMs }: Restoring,
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
    lockTimeoutMs,
    preActivate: null,
    postActivate: null,
    said: null,
  }
  return activate(host, request, pipeline.log.info)
}
