/** Several hosts can be compared only while nobody is at work on any of them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { ServerFacts } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'

/** Longer than a run takes from the end of one host to the beginning of the next, in ms. */
const QUIET = 2000

/**
 * Waits until no host is locked. Hosts that differ belong to a run that is on its way from one to the next, or to
 * one that died there: the first will lock the next host in a moment.
 * @returns what is true of each host then, in their order; or when `lock-timeout` is over
 */
export async function settled(
  { inputs: { lockTimeoutMs, maxParallel } }: Plan,
  hosts: readonly Host[],
  pipeline: Pipeline,
): Promise<readonly ServerFacts[]> {
  let facts = hosts.map((host) => host.facts)
  if (hosts.length === 1) return facts
  const deadline = performance.now() + lockTimeoutMs
  let quietSince: number | undefined
  let told: string | undefined
  for (;;) {
    const now = performance.now()
    const holder = facts.find(({ lock }) => lock !== null)?.lock ?? undefined
    if (holder !== undefined && holder !== told) pipeline.log.info(`waiting for the lock, held by ${holder}`)
    told = holder ?? told
    quietSince = holder === undefined ? (quietSince ?? now) : undefined
    const alike = new Set(facts.map(({ live }) => live)).size === 1
    if (quietSince !== undefined && (alike || now - quietSince > QUIET)) return facts
    if (now > deadline) return facts
    await delay(QUIET / 4)
    facts = [...(await onEach(hosts, maxParallel, pipeline, (host) => host.agent().call('inspect', {})))]
  }
}
