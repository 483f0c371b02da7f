/** What became of a run that was cut off: the server finishes an activation by itself, and is asked for its verdict. */
import { type Outcome, untouched } from '../outcome.ts'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import { Failure } from '../protocol/failure.ts'
import type { Verdict } from '../protocol/messages.ts'
import { connect } from './connect.ts'
import type { Programs } from './index.ts'

const cutOff = new Failure('run-cut-off', 'the run was cut off before anything live was touched', {
  remedy: 'Run it again.',
})

export async function aftermath(plan: Plan, programs: Programs, pipeline: Pipeline): Promise<Outcome> {
  const server = await pipeline.run('connect', () => connect(plan, { ...programs, persist: false }))
  try {
    const { agent } = server
    const verdict = await pipeline.run('health-check', async () => {
      // Cancelled: what has not swapped yet withdraws, what has finishes.
      const value = await agent
        .call('watch', { activation: plan.activation, withdraw: true })
        .catch(neverBegan)
      return {
        value,
        detail: value === null ? 'nothing live was touched' : `the server ended it: ${value.status}`,
      }
    })
    const { served, releases, workers } = await agent.call('status', {})
    const known = { ...untouched({ live: served, release: null, uploadedBytes: 0 }), releases, workers }
    if (verdict === null) return { ...known, failure: cutOff }
    const failure = verdict.failure === null ? null : Failure.revive(verdict.failure)
    const { status, previous } = verdict
    return { ...known, status, succeeded: status === 'live', previousRelease: previous, failure }
  } finally {
    server.close()
  }
}

function neverBegan(error: unknown): Verdict | null {
  if (Failure.from(error).code === 'unknown-activation') return null
  throw error
}
