/**
 * swap, reload, health-check and rollback are steps of one activation on the server. This is the runner's view
 * of it: one call, whose events settle a promise per step.
 */
import { Failure } from '../protocol/failure.ts'
import {
  type ActivationRequest,
  type ActivationStep,
  journalEntry,
  type Verdict,
} from '../protocol/messages.ts'
import type { Server } from './connect.ts'

export interface Activation {
  /** Settles when the step is done. @returns what it did @throws Failure of the step, or of the whole */
  step(name: ActivationStep): Promise<string>
  /** The end of it. @throws Failure `connection-lost`, `activation-died` */
  readonly verdict: Promise<Verdict>
}

const STEPS: readonly ActivationStep[] = [
  'lock',
  'pre-activate',
  'swap',
  'reload',
  'health-check',
  'rollback',
]

/** @param log told of what happens inside the steps: who holds the lock, what is unusual */
export function activate(
  { agent }: Server,
  request: ActivationRequest,
  log: (line: string) => void,
): Activation {
  const steps = new Map(STEPS.map((name) => [name, deferred()]))
  const onEvent = (value: unknown) => {
    const { step, state, detail } = journalEntry(value, 'journal entry')
    if (step === null) return
    if (state === 'note') log(`${step}: ${detail}`)
    if (state === 'done') steps.get(step)?.resolve(detail)
    if (state === 'failed') steps.get(step)?.reject(new Failure('activation-failed', detail))
  }
  const verdict = agent.call('activate', request, { onEvent }).then((result) => result.verdict)
  const settle = (failure: Failure) => {
    for (const { reject } of steps.values()) reject(failure)
  }
  verdict.then(
    (result) =>
      settle(reviveFailure(result) ?? new Failure('activation-failed', 'the step was never reached')),
    (error: unknown) => settle(Failure.from(error)),
  )
  for (const { promise } of steps.values()) promise.catch(() => undefined)
  return { step: (name) => steps.get(name)!.promise, verdict }
}

interface Deferred {
  readonly promise: Promise<string>
  readonly resolve: (detail: string) => void
  readonly reject: (failure: Failure) => void
}

function deferred(): Deferred {
  const settle: { resolve?: Deferred['resolve']; reject?: Deferred['reject'] } = {}
  const promise = new Promise<string>((resolve, reject) => Object.assign(settle, { resolve, reject }))
  return { promise, resolve: settle.resolve!, reject: settle.reject! }
}

/** Why an activation did not end live, as an error. */
export function reviveFailure({ failure }: Verdict): Failure | null {
  if (failure === null) return null
  const { code, message, remedy, evidence } = failure
  return new Failure(code, message, { ...(remedy && { remedy }), ...(evidence && { evidence }) })
}
