/**
 * swap, reload, health-check and rollback are steps of one activation on the server. This is the runner's view
 * of it: its events settle a promise per step, and a lost connection is taken up again.
 */
import { Failure } from '../common/failure.ts'
import {
  type ActivationRequest,
  type ActivationStep,
  activationSteps,
  journalEntry,
  type Verdict,
} from '../protocol/messages.ts'
import type { Log } from '../pipeline.ts'
import type { Host } from '../hosts/host.ts'
import { throughLosses } from '../hosts/reconnect.ts'

export interface Activation {
  /** Settles when the step is done. @returns what it did @throws Failure of the step, or of the whole */
  step(name: ActivationStep): Promise<string>
  /**
   * The end of it. @throws Failure `unknown-activation` if it never began; `connection-lost`, `activation-died` and
   * `activation-silent` if nobody knows how it ended
   */
  readonly verdict: Promise<Verdict>
  /** Whether it is known to have begun to swap. */
  hasSwapped(): boolean
}

/** Steps that may take a while, and say nothing meanwhile. */
const LONG: ReadonlySet<ActivationStep> = new Set([
  'pre-activate',
  'reload',
  'health-check',
  'post-activate',
  'rollback',
])
const HOOKS: ReadonlySet<ActivationStep> = new Set(['pre-activate', 'post-activate'])

/** @param log told of what happens inside the steps: who holds the lock, what is unusual */
export function activate(host: Host, request: ActivationRequest, log: Log['info']): Activation {
  const steps = new Map(activationSteps.map((name) => [name, deferred()]))
  let seen = 0
  let swapped = false
  const follow = (call: (onEvent: (value: unknown) => void) => Promise<Verdict>): Promise<Verdict> => {
    let index = 0
    return call((value) => {
      index += 1
      // A session that takes up watching hears everything from the beginning.
      if (index <= seen) return
      seen = index
      const { step, state, detail } = journalEntry(value, 'journal entry')
      if (step === null) return
      if (step === 'swap') swapped = true
      if (state === 'begin' && LONG.has(step)) log(`${step} started`)
      if (state === 'note' || (state === 'done' && HOOKS.has(step))) log(`${step}: ${detail || 'done'}`)
      if (state === 'done') steps.get(step)?.resolve(detail)
      if (state === 'failed') steps.get(step)?.reject(new Failure('activation-failed', detail))
    })
  }
  const { activation } = request
  const verdict = throughLosses(
    host,
    {
      begin: () => follow((onEvent) => host.agent().call('activate', request, { onEvent })),
      takeUp: () =>
        follow((onEvent) => host.agent().call('watch', { activation, withdraw: false }, { onEvent })),
      isFinal: isLastWord,
    },
    log,
  )
  const settle = (failure: Failure | null) => {
    for (const { resolve, reject } of steps.values()) {
      // The verdict counts, also where somebody emptied the journal before this step could be read.
      if (failure === null) resolve('done: the journal does not say what')
      else reject(failure)
    }
  }
  verdict.then(
    (result) => settle(reviveFailure(result)),
    (error: unknown) => settle(Failure.from(error)),
  )
  for (const { promise } of steps.values()) promise.catch(() => undefined)
  return { step: (name) => steps.get(name)!.promise, verdict, hasSwapped: () => swapped }
}

/** What a server says of an activation that no further question would change. */
export function isLastWord({ code }: Failure): boolean {
  return code === 'unknown-activation' || code === 'activation-died' || code === 'activation-silent'
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
  return failure === null ? null : Failure.revive(failure)
}
