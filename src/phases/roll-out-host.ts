/** swap → reload → health-check (→ rollback) on one host: one activation on the server, with a row for each step. */
import { randomUUID } from 'node:crypto'
import type { Ended } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import { notRestored } from '../common/errors/activation.ts'
import { fill } from '../common/errors/text.ts'
import { Failure } from '../common/failure.ts'
import { type ActivationRequest, keptVerdict, type Verdict } from '../protocol/messages.ts'
import { activate, reviveFailure } from './activate-host.ts'
import { activationRows } from './activation-rows.ts'
import { type Host, named } from '../hosts/host.ts'

/** Never throws: a failure is part of how it ended. */
export async function rollOutHost(
  host: Host,
  request: ActivationRequest,
  pipeline: Pipeline,
): Promise<Ended> {
  const rows = activationRows(pipeline, request.canaryMs > 0)
  const verdict = await activate(host, request, pipeline.log.info, (entry) => rows.add(entry)).catch(
    (error: unknown) => unseen(host, error, rows.hasSwapped()),
  )
  const failure = reviveFailure(verdict)
  rows.end(verdict.status, failure)
  return { name: host.name, verdict, failure: failure && named(host.name, failure) }
}

const UNSEEN: ReadonlySet<string> = new Set(['connection-lost', 'activation-died', 'activation-silent'])

/** The verdict where the runner could not see the end. After the swap nobody knows what is healthy. */
export function unseen({ facts: { serving } }: Host, error: unknown, swapped: boolean): Verdict {
  const failure = Failure.from(error)
  const kept = keptVerdict(serving, failure.toRecord())
  const mayHaveSwapped = swapped || UNSEEN.has(failure.code)
  return mayHaveSwapped ? { ...kept, status: 'down', live: null } : kept
}

/**
 * Restores the previous release on a host that is live already, because of a failure on another host or at the
 * public URL. Never throws.
 */
export async function restoreHost(
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
    failure: failure.reworded(`${failure.message.replace(/\.?$/, '.')} ${more}`),
  })
  if (previous === null || previous === live) return stuck(notRestored.none)
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
    const values = { release: previous, problem: Failure.from(cause).message }
    return stuck(fill(notRestored.failed, values))
  }
}

/** A newer release went live before this one could be restored, and serves. */
function wasOvertaken({ status, failure }: Verdict): boolean {
  return status === 'restored' && failure?.code === 'overtaken'
}

/** The run that a restore belongs to. */
type Restoring = Pick<ActivationRequest, 'run' | 'lockTimeoutMs'>

/**
 * Activates a release that served before.
 * @param replaces the release that it replaces
 * @throws Failure why it is not live
 */
export async function restoreRelease(
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
    canaryMs: 0,
    watchMs: 0,
  }
  return activate(host, request, pipeline.log.info)
}
