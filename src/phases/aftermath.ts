/** What became of a run that was cut off: the servers finish an activation by themselves, and are asked for its verdict. */
import { agreed, type Ended, nothingKnown, type Outcome, together, untouched } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { Programs } from '../programs.ts'
import { Failure } from '../protocol/failure.ts'
import { keptVerdict, type Verdict } from '../protocol/messages.ts'
import { reviveFailure } from './activation.ts'
import { connect } from './connect.ts'
import { type Host, named, onEach } from './hosts.ts'
import { level } from './recover.ts'
import { settled } from './settled.ts'

const cutOff = new Failure('run-cut-off', 'the run was cut off before anything live was touched', {
  remedy: 'Run it again.',
})

export async function aftermath(plan: Plan, programs: Programs, pipeline: Pipeline): Promise<Outcome> {
  const hosts = await connect(plan, { ...programs, persist: false }, pipeline)
  try {
    const ended = await onEach(hosts, plan.inputs.maxParallel, pipeline, (host, log) =>
      endOf(plan, host, log),
    )
    // Not what the verdicts say: the run may have been on its way back, and another may have come since.
    const lives =
      hosts.length > 1
        ? (await settled(plan, hosts, pipeline)).map(({ live }) => live)
        : ended.map(({ verdict }) => verdict.live)
    const known = { ...nothingKnown, live: agreed(ended.map(({ verdict }) => verdict.previous)) }
    if (new Set(lives).size === 1 && ended.every(({ verdict }) => verdict.live === lives[0])) {
      return together(known, ended)
    }
    // It was cut off between two hosts, on its way there or back.
    const live = await level(plan, hosts, lives, pipeline)
    const failure = new Failure('run-cut-off', 'the run was cut off between two hosts', {
      remedy: 'Run it again.',
    })
    return { ...untouched({ ...known, live }), status: live === null ? 'down' : 'restored', failure }
  } finally {
    for (const host of hosts) host.close()
  }
}

/** Cancelled: what has not swapped yet withdraws, what has finishes. */
function endOf({ activation }: Plan, host: Host, pipeline: Pipeline): Promise<Ended> {
  return pipeline.run('health-check', async () => {
    const verdict = await host
      .agent()
      .call('watch', { activation, withdraw: true })
      .catch((error: unknown) => neverBegan(host, error))
    const failure = reviveFailure(verdict)
    const value = { name: host.name, verdict, failure: failure && named(host.name, failure) }
    return { value, detail: verdict.failure?.message ?? `the server ended it: ${verdict.status}` }
  })
}

function neverBegan({ facts: { live } }: Host, error: unknown): Verdict {
  if (Failure.from(error).code !== 'unknown-activation') throw error
  return keptVerdict(live, cutOff.toRecord())
}
