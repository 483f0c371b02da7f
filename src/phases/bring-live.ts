/** verify → swap → reload → health-check (→ rollback) → cleanup: the same for a new release and an old one. */
import { randomUUID } from 'node:crypto'
import { type Outcome, untouched } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../protocol/failure.ts'
import type { ActivationRequest, Verdict } from '../protocol/messages.ts'
import { activate, type ActivationWatch, reviveFailure } from './activation.ts'
import { cleanUp } from './cleanup.ts'
import type { Server } from './connect.ts'
import { askPublicUrl } from './health-check.ts'
import { verify } from './verify.ts'

export interface Goal {
  readonly kind: 'deploy' | 'rollback'
  readonly release: string
  /** What was live when the run began. */
  readonly live: string | null
  readonly uploadedBytes: number
}

/** @param reopen opens another session after a lost connection */
export async function bringLive(
  plan: Plan,
  connected: Server,
  reopen: () => Promise<Server>,
  pipeline: Pipeline,
  goal: Goal,
): Promise<Outcome> {
  const { inputs } = plan
  const { kind, release } = goal
  let server = connected
  const watch: ActivationWatch = {
    agent: () => server.agent,
    async reconnect() {
      const next = await reopen()
      server.close()
      server = next
    },
    log: (line) => pipeline.log.info(line),
  }
  const discard = async () => {
    if (kind === 'deploy') await server.agent.call('discard', { id: release }).catch(() => undefined)
  }

  try {
    if (inputs.candidateCheck) await pipeline.run('verify', () => verify(server, release))
    else pipeline.skip('verify', 'candidate-check is off')
    const { verdict, failure } = await runActivation(plan, watch, pipeline, kind, release)
    if (verdict.status !== 'live' || failure !== null) await discard()
    await pipeline
      .run('cleanup', () => cleanUp(inputs, server))
      .catch((error: unknown) => {
        watch.log(`cleanup failed, which changes nothing about what is live: ${Failure.from(error).message}`)
      })
    const succeeded = verdict.status === 'live' && failure === null
    const { status, workers, live, previous } = verdict
    const ended = {
      status,
      succeeded,
      liveRelease: live,
      previousRelease: previous ?? goal.live,
      failure,
      workers,
    }
    return { ...untouched(goal), ...ended }
  } catch (error) {
    await discard()
    throw error
  } finally {
    if (server !== connected) server.close()
  }
}

interface Ended {
  readonly verdict: Verdict
  /** Why it is not live. */
  readonly failure: Failure | null
}

/** The activation on the server, phase by phase, and the public URL after it. */
async function runActivation(
  plan: Plan,
  watch: ActivationWatch,
  pipeline: Pipeline,
  kind: Goal['kind'],
  release: string,
): Promise<Ended> {
  const { health, lockTimeoutMs, preActivate = null, postActivate = null } = plan.inputs
  const { run } = plan
  const request = {
    activation: plan.activation,
    release,
    kind,
    run,
    lockTimeoutMs,
    preActivate,
    postActivate,
  }
  const activation = activate(watch, request)
  const step = async (name: 'swap' | 'reload' | 'health-check' | 'rollback') => ({
    value: undefined,
    detail: await activation.step(name),
  })
  try {
    await pipeline.run('swap', () => step('swap'))
    await pipeline.run('reload', () => step('reload'))
    await pipeline.run('health-check', async () => {
      const done = await step('health-check')
      const failed = reviveFailure(await activation.verdict)
      if (failed !== null) throw failed
      if (health.url === undefined) return done
      return { ...done, detail: `${done.detail}; ${await askPublicUrl(health.url, health)}` }
    })
    return { verdict: await activation.verdict, failure: null }
  } catch (error) {
    const verdict = await activation.verdict.catch(unknownVerdict)
    const failure = reviveFailure(verdict) ?? Failure.from(error)
    if (verdict.status === 'restored' || verdict.status === 'down') {
      await pipeline.run('rollback', () => step('rollback')).catch(() => undefined)
    }
    // The server found it healthy, the public URL did not: go back the way a rollback goes.
    return verdict.status === 'live'
      ? goBack(watch, pipeline, request, verdict, failure)
      : { verdict, failure }
  }
}

/** An activation that ended out of sight may have switched: nobody knows what is healthy until it is asked. */
function unknownVerdict(error: unknown): Verdict {
  const failure = Failure.from(error)
  if (failure.code !== 'connection-lost' && failure.code !== 'activation-died') throw failure
  return { status: 'down', live: null, previous: null, failure: failure.toRecord(), workers: [] }
}

/** @param reached the verdict of the server, which `failure` came after */
async function goBack(
  watch: ActivationWatch,
  pipeline: Pipeline,
  request: ActivationRequest,
  reached: Verdict,
  failure: Failure,
): Promise<Ended> {
  const { previous, live } = reached
  if (previous === null || previous === live) return { verdict: { ...reached, status: 'down' }, failure }
  const hooks = { preActivate: null, postActivate: null }
  const ids = { activation: randomUUID(), release: previous }
  const back = { ...request, ...hooks, ...ids, kind: 'restore' } as const
  try {
    const verdict = await pipeline.run('rollback', async () => {
      const value = await activate(watch, back).verdict
      if (value.status !== 'live') throw reviveFailure(value)
      return { value, detail: `${previous} is live again` }
    })
    return { verdict: { ...verdict, status: 'restored', previous }, failure }
  } catch (cause) {
    // Still the new release serves, healthy on the server and not outside of it.
    const both = `${failure.message}; then the way back failed: ${Failure.from(cause).message}`
    return { verdict: { ...reached, status: 'down' }, failure: failure.reworded(both) }
  }
}
