/**
 * verify → swap → reload → health-check (→ rollback) → cleanup: the same for a new release and an old one.
 *
 * Several hosts: all verify before any swaps; then the first alone as the canary, the rest in batches; any failure
 * takes back every host that had switched.
 */
import { type Ended, type Known, type Outcome, together } from '../outcome.ts'
import type { BatchSize } from '../inputs/index.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../common/failure.ts'
import { type ActivationRequest, keptVerdict } from '../protocol/messages.ts'
import { cleanUp } from './cleanup.ts'
import { discard } from './discard.ts'
import { askPublicUrl } from './public-check.ts'
import { type Host, onEach } from '../hosts/host.ts'
import { switchBack, switchOver } from './switch-over.ts'
import { verify } from './verify.ts'

export interface Goal extends Known {
  readonly kind: 'deploy' | 'rollback'
  readonly release: string
  /** The release that it was chosen to replace; null: whichever is current. */
  readonly replaces: string | null
  /** What lines about missing files mean for this app, in one sentence to warn of. */
  readonly explain?: (log: string) => string | undefined
}

/** @throws Failure while nothing live has been touched */
export async function bringLive(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  goal: Goal,
): Promise<Outcome> {
  const { inputs } = plan
  const { release } = goal
  const atOnce = inputs.maxParallel

  let warned: string | undefined
  if (inputs.candidateCheck) {
    const verified = onEach(hosts, atOnce, pipeline, (host, log) =>
      log.run('verify', () => verify(host, release, inputs.app.said)),
    )
    const logs = await verified.catch(async (error: unknown) => {
      await takeBack(hosts, goal, true)
      throw error
    })
    warned = await warnOfMissing(pipeline, goal, 'verify', logs)
  } else {
    pipeline.skip('verify', '`candidate-check` is off')
  }

  pipeline.log.remember(release)
  const ended = await rollOut(plan, hosts, pipeline, goal)
  const outcome = together(goal, ended)
  const logged = ended.map(({ verdict }) => verdict.notFound)
  if (outcome.succeeded) await warnOfMissing(pipeline, goal, 'health-check', logged, warned)
  // A host that is out of reach may serve it: then the next run has to find it everywhere, to know what happened.
  const unknown = outcome.hosts.some(({ live }) => live === null)
  if (!outcome.succeeded) await takeBack(hosts, goal, !unknown)
  await onEach(hosts, atOnce, pipeline, (host, log) =>
    log.run('cleanup', () => cleanUp(plan, host, log.log)),
  ).catch((error: unknown) => {
    const { message } = Failure.from(error)
    pipeline.log.info(`The live release is not affected by the failed cleanup: ${message}`)
  })
  return outcome
}

/**
 * A release can be healthy and lack a file that only some pages read. Said where people look, the summary included.
 * @param logs of all hosts: they run the same release
 * @param said what a phase before it warned of
 */
async function warnOfMissing(
  pipeline: Pipeline,
  { explain }: Goal,
  phase: 'verify' | 'health-check',
  logs: readonly string[],
  said?: string,
): Promise<string | undefined> {
  const warning = explain?.(logs.join('\n'))
  if (warning === undefined || warning === said) return warning
  pipeline.log.warning(warning)
  return pipeline.run(phase, async () => ({ value: warning, detail: warning }))
}

/** How it ended on each host, in their order. */
async function rollOut(
  plan: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
  { kind, release, replaces }: Goal,
): Promise<readonly Ended[]> {
  const { health, lockTimeoutMs, preActivate = null, postActivate = null, batch } = plan.inputs
  const { run, activation } = plan
  const request: ActivationRequest = {
    activation,
    release,
    kind,
    replaces,
    run,
    hosts: hosts.flatMap(({ name }) => name ?? []),
    lockTimeoutMs,
    preActivate,
    postActivate,
    said: plan.inputs.app.said,
  }
  const ended = new Map<Host, Ended>()
  let failure: Failure | null = null
  for (const group of batches(hosts, batch)) {
    await Promise.all(
      group.map(async (host) => ended.set(host, await switchOver(host, request, pipeline.on(host.name)))),
    )
    failure = [...ended.values()].find((end) => end.failure !== null)?.failure ?? null
    if (failure !== null) break
  }
  const { url } = health
  if (failure === null && url !== undefined) {
    failure = await pipeline
      .run('health-check', async () => ({ value: null, detail: await askPublicUrl(url, health) }))
      .catch((error: unknown) => Failure.from(error))
  }
  if (failure !== null) {
    const reason = failure
    const switched = [...ended].filter(([, { verdict }]) => verdict.status === 'live')
    const back = switched.map(async ([host, end]) => {
      ended.set(host, await switchBack(host, request, end, reason, pipeline.on(host.name)))
    })
    await Promise.all(back)
  }
  return hosts.map((host) => ended.get(host) ?? notReached(host))
}

/** The canary alone, then the rest, so many at a time. @param size of a batch: hosts, or a share of all of them */
export function batches<T>(hosts: readonly T[], size: BatchSize): readonly (readonly T[])[] {
  const [canary, others] = [hosts.slice(0, 1), hosts.slice(1)]
  const step = Math.max(1, 'hosts' in size ? size.hosts : Math.ceil((hosts.length * size.percent) / 100))
  const groups = [canary]
  for (let index = 0; index < others.length; index += step) groups.push(others.slice(index, index + step))
  return groups
}

/** A failure before its turn: nothing on this host was touched. */
function notReached({ name, facts: { serving } }: Host): Ended {
  return { name, verdict: keptVerdict(serving, null), failure: null }
}

/** What failed is no release to go back to any more; one that was good before stays so. @param remove its files too */
async function takeBack(hosts: readonly Host[], { kind, release }: Goal, remove: boolean): Promise<void> {
  if (kind === 'deploy') await discard(hosts, release, remove)
}
