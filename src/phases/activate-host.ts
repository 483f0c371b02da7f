/** The runner's view of one activation on a server: it follows the journal's entries until the verdict. */
import { Failure } from '../common/failure.ts'
import {
  type ActivationRequest,
  type ActivationStep,
  type JournalEntry,
  journalEntry,
  type Verdict,
} from '../protocol/messages.ts'
import type { Log } from '../pipeline.ts'
import type { Host } from '../hosts/host.ts'
import { throughLosses } from '../hosts/reconnect.ts'

/** Steps that may take a while, and say nothing meanwhile. */
const LONG: ReadonlySet<ActivationStep> = new Set([
  'pre-activate',
  'canary',
  'reload',
  'health-check',
  'post-activate',
  'rollback',
])
const HOOKS: ReadonlySet<ActivationStep> = new Set(['pre-activate', 'post-activate'])

/**
 * Activates a release, and watches the activation through lost connections.
 * @param log told of what happens inside the steps: who holds the lock, what is unusual
 * @throws Failure `unknown-activation` if it never began; `connection-lost`, `activation-died` and `activation-silent`
 *   if nobody knows how it ended
 */
export function activate(
  host: Host,
  request: ActivationRequest,
  log: Log['info'],
  onEntry: (entry: JournalEntry) => void = () => undefined,
): Promise<Verdict> {
  let seen = 0
  const follower = () => {
    let index = 0
    return (value: unknown) => {
      index += 1
      // A session that resumes watching hears everything from the beginning.
      if (index <= seen) return
      seen = index
      const entry = journalEntry(value, 'journal entry')
      for (const line of linesOf(entry)) log(line)
      onEntry(entry)
    }
  }
  const { activation } = request
  const work = {
    begin: () => host.agent().call('activate', request, { onEvent: follower() }),
    resume: () => host.agent().call('watch', { activation, withdraw: false }, { onEvent: follower() }),
    isFinal: isLastWord,
  }
  return throughLosses(host, work, log)
}

function* linesOf({ step, state, detail }: JournalEntry): Generator<string> {
  if (step === null) return
  if (state === 'begin' && LONG.has(step)) yield `${step} started`
  if (state === 'note' || (state === 'done' && HOOKS.has(step))) yield `${step}: ${detail || 'done'}`
}

/** What a server says of an activation that no further question would change. */
export function isLastWord({ code }: Failure): boolean {
  return code === 'unknown-activation' || code === 'activation-died' || code === 'activation-silent'
}

export function reviveFailure({ failure }: Verdict): Failure | null {
  return failure === null ? null : Failure.revive(failure)
}
