/** How long an activation may go without a word in its journal, in ms: the longest that any step of it may take. */
import type { ActivationRequest } from '../../protocol/messages.ts'
import type { Layout } from '../store/layout.ts'
import { readRuntime, releaseIds } from '../store/releases.ts'
import { LONGEST_HOOK } from './hooks.ts'
import { instancesOf } from './instances.ts'
import { timesOf } from './stay.ts'

const MARGIN = 5 * 60_000

/** @param request null where only the journal knows the activation any more */
export async function longestStep(layout: Layout, request: ActivationRequest | null): Promise<number> {
  const ids = await releaseIds(layout)
  const read = await Promise.all(ids.map((id) => readRuntime(layout, id).catch(() => null)))
  const runtimes = read.filter((runtime) => runtime !== null)
  const waits = Math.max(request?.lockTimeoutMs ?? 0, LONGEST_HOOK) + MARGIN
  if (runtimes.length === 0) return waits
  const { listen, kill } = timesOf(runtimes)
  const instances = Math.max(...runtimes.map((runtime) => instancesOf(runtime, null)))
  // Where memory is short the workers are replaced one by one, after those of the last activation have left. The way
  // back may do so twice: under a new daemon once more.
  return waits + 2 * (instances + 1) * (listen + kill)
}
