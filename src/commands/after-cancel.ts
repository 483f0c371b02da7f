/** What became of a run that was cut off: the servers finish an activation by themselves, and are asked for its verdict. */
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
import { Failure } from '../common/failure.ts'
import { keptVerdict, type Verdict } from '../protocol/messages.ts'
import { isLastWord, reviveFailure } from '../phases/activate-host.ts'
import { connect } from '../hosts/connect.ts'
import { type Host, named, onEach } from '../hosts/host.ts'
import { PATIENCE, throughLosses } from '../hosts/reconnect.ts'
import { level } from '../phases/recover.ts'
import { settled } from '../phases/settled.ts'
import { unseen } from '../phases/switch-over.ts'

const cutOff = new Failure('run-cut-off', 'the run was cut off before anything live was touched', {
  remedy: 'Run it again.',
})

/**
 * Never throws: a server that cannot be asked is part of the truth.
 * @param release the one that the run was about to make live; undefined where it had not come that far
 * @param patienceMs how long to try to reach the servers, where they may have switched
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
    if (release === undefined) return { ...untouched(known), failure: cutOff }
    const { message } = Failure.from(error)
    const failure = new Failure(
      'run-cut-off',
      `the run was cut off when ${release} was about to go live, and how that ended cannot be asked: ${message}`,
      {
        remedy:
          'The server finishes by itself what it has begun. `command: status` tells what is live, and the next ' +
          'run ends what is left.',
      },
    )
    return { ...untouched(known), status: 'down', failure }
  }
}

async function ask(plan: Plan, hosts: readonly Host[], nothing: Known, pipeline: Pipeline): Promise<Outcome> {
  const ended = await onEach(hosts, plan.inputs.maxParallel, pipeline, (host, log) => endOf(plan, host, log))
  const known = { ...nothing, live: agreed(ended.map(({ verdict }) => verdict.previous)) }
  if (hosts.length === 1 || ended.some(isUnknown)) return together(known, ended)
  // Not what the verdicts say: the run may have been on its way back, and another may have come since.
  const lives = (await settled(plan, hosts, pipeline)).map(({ live }) => live)
  if (
    new Set(lives).size === 1 &&
    ended.every(({ verdict: { live } }) => live === null || live === lives[0])
  ) {
    return together(known, ended)
  }
  // It was cut off between two hosts, on its way there or back.
  const leveled = await level(plan, hosts, lives, pipeline)
  const live = leveled === undefined ? agreed(lives) : leveled
  const failure = new Failure('run-cut-off', 'the run was cut off between two hosts', {
    remedy: 'Run it again.',
  })
  const back = ended.map(({ name, verdict }, index): Ended => {
    if (verdict.status === 'kept' && verdict.live === live) return { name, verdict, failure }
    const status = live === null ? 'down' : 'restored'
    return { name, verdict: { ...verdict, status, live: live ?? lives[index]! }, failure }
  })
  return together({ ...known, live }, back)
}

/** Cancelled: what has not swapped yet withdraws, what has finishes. */
async function endOf({ activation }: Plan, host: Host, pipeline: Pipeline): Promise<Ended> {
  const watch = () => host.agent().call('watch', { activation, withdraw: true })
  const work = { begin: watch, takeUp: watch, isFinal: isLastWord }
  try {
    const verdict = await pipeline.run('health-check', async () => {
      const value = await throughLosses(host, work, pipeline.log.info).catch((error: unknown) =>
        neverBegan(host, error),
      )
      return {
        value,
        detail: value.failure?.message ?? `the server finished the activation: ${value.status}`,
      }
    })
    const failure = reviveFailure(verdict)
    return { name: host.name, verdict, failure: failure && named(host.name, failure) }
  } catch (error) {
    return {
      name: host.name,
      verdict: unseen(host, error, true),
      failure: named(host.name, Failure.from(error)),
    }
  }
}

/** Nobody knows how it ended there. */
function isUnknown({ verdict: { status, live } }: Ended): boolean {
  return status === 'down' && live === null
}

function neverBegan({ facts: { serving } }: Host, error: unknown): Verdict {
  if (Failure.from(error).code !== 'unknown-activation') throw error
  return keptVerdict(serving, cutOff.toRecord())
}
