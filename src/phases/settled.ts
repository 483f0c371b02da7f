/** Hosts can be compared only while no run is at work on any of them. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Pipeline } from '../pipeline.ts'
import type { Plan } from '../plan.ts'
import type { ServerFacts } from '../protocol/messages.ts'
import { type Host, onEach } from '../hosts/host.ts'

/** Longer than a run pauses between two hosts, in ms. */
const QUIET = 2000

/**
 * Waits until no host is locked, but by a canary, which ends only where another activation waits for the lock. Hosts
 * that differ belong to a run that will lock the next host in a moment, or to one that died between two hosts.
 * @returns the facts of each host then, or when `lock-timeout` is over
 */
export async function settled(
  { inputs: { 'lock-timeout': lockTimeoutMs, 'max-parallel': atOnce } }: Plan,
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
    const holder = facts.find(({ lock, canary }) => lock !== null && canary === null)?.lock ?? undefined
    if (holder !== undefined && holder !== told) pipeline.log.info(`waiting for the lock, held by ${holder}`)
    told = holder ?? told
    quietSince = holder === undefined ? (quietSince ?? now) : undefined
    const alike = new Set(facts.map(({ live }) => live)).size === 1
    if (quietSince !== undefined && (alike || now - quietSince > QUIET)) return facts
    if (now > deadline) return facts
    await delay(QUIET / 4)
    facts = [...(await onEach(hosts, atOnce, pipeline, (host) => host.agent().call('inspect', {})))]
  }
}
