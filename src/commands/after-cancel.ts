/** How an interrupted run ended: the servers finish its activation by themselves, and are asked for the verdict. */
import {
  agreed,
  type Ended,
  type Known,
  nothingKnown,
  type Outcome,
  together,
  untouched,
} from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Programs } from '../agent-client/programs.ts'
import { failure } from '../common/errors/run.ts'
import { Failure } from '../common/failure.ts'
import { keptVerdict, type Verdict } from '../protocol/messages.ts'
import { isLastWord, reviveFailure } from '../phases/activate-host.ts'
import { connect } from '../hosts/connect.ts'
import { type Host, named, onEach } from '../hosts/host.ts'
import { PATIENCE, throughLosses } from '../hosts/reconnect.ts'
import { restoreSameRelease } from '../phases/recover.ts'
import { settled } from '../phases/settled.ts'
import { unseen } from '../phases/roll-out-host.ts'

const interrupted = failure('run-cut-off')

/**
 * Never throws: a server that cannot be reached is part of the result.
 * @param release the one that the run was about to activate; undefined where it had not come that far
 * @param patienceMs how long to try to reach servers that may have swapped
 */
export async function afterCancel(
  plan: Plan,
  release: string | undefined,
  programs: Programs,
  pipeline: Pipeline,
  patienceMs = PATIENCE,
): Promise<Outcome> {
  const known = { ...nothingKnown, release: release ?? null }
  try {
    const patience = release === undefined ? 0 : patienceMs
    const hosts = await connect(plan, { ...programs, persist: false, patienceMs: patience }, pipeline)
    try {
      return await ask(plan, hosts, known, pipeline)
    } finally {
      for (const host of hosts) host.close()
    }
  } catch (error) {
    if (release === undefined) return { ...untouched(known), failure: interrupted }
    const { message } = Failure.from(error)
    const unknown = failure('run-cut-off: unknown', { release, problem: message })
    return { ...untouched(known), status: 'down', failure: unknown }
  }
}

async function ask(plan: Plan, hosts: readonly Host[], nothing: Known, pipeline: Pipeline): Promise<Outcome> {
  const ended = await onEach(hosts, plan.inputs['max-parallel'], pipeline, (host, log) =>
    endOf(plan, host, log),
  )
  const known = { ...nothing, live: agreed(ended.map(({ verdict }) => verdict.previous)) }
  if (hosts.length === 1 || ended.some(isUnknown)) return together(known, ended)
  // The verdicts do not tell: the run may have been restoring, and another run may have come since.
  const lives = (await settled(plan, hosts, pipeline)).map(({ live }) => live)
  if (
    new Set(lives).size === 1 &&
    ended.every(({ verdict: { live } }) => live === null || live === lives[0])
  ) {
    return together(known, ended)
  }
  // It was interrupted between two hosts.
  const restored = await restoreSameRelease(plan, hosts, lives, pipeline)
  const live = restored === undefined ? agreed(lives) : restored
  const between = failure('run-cut-off: between hosts')
  const back = ended.map(({ name, verdict }, index): Ended => {
    if (verdict.status === 'kept' && verdict.live === live) return { name, verdict, failure: between }
    const status = live === null ? 'down' : 'restored'
    return { name, verdict: { ...verdict, status, live: live ?? lives[index]! }, failure: between }
  })
  return together({ ...known, live }, back)
}

/** An activation that has not swapped yet withdraws; another one finishes. */
async function endOf({ activation }: Plan, host: Host, pipeline: Pipeline): Promise<Ended> {
  const watch = () => host.agent().call('watch', { activation, withdraw: true })
  const work = { begin: watch, resume: watch, isFinal: isLastWord }
  try {
    const verdict = await pipeline.run('health-check', async () => {
      const value = await throughLosses(host, work, pipeline.log.info).catch((error: unknown) =>
        neverBegan(host, error),
      )
      return { value, detail: value.failure?.message ?? endInWords(value) }
    })
    const reason = reviveFailure(verdict)
    return { name: host.name, verdict, failure: reason && named(host.name, reason) }
  } catch (error) {
    const { name } = host
    return { name, verdict: unseen(host, error, true), failure: named(name, Failure.from(error)) }
  }
}

function endInWords({ status, watch }: Verdict): string {
  if (watch?.open !== true) return `the server finished the activation: ${status}`
  return `on probation: the server goes on watching${watch.line === '' ? '' : ` (${watch.line})`}`
}

function isUnknown({ verdict: { status, live } }: Ended): boolean {
  return status === 'down' && live === null
}

function neverBegan({ facts: { serving } }: Host, error: unknown): Verdict {
  if (Failure.from(error).code !== 'unknown-activation') throw error
  return keptVerdict(serving, interrupted.toRecord())
}
