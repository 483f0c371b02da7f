/** The servers of a run: one, or several behind a load balancer. */
import { plural } from '../common/format.ts'
import type { Pipeline } from '../pipeline.ts'
import { failure } from '../common/errors/connect.ts'
import { Failure } from '../common/failure.ts'
import type { Result, ServerFacts } from '../protocol/messages.ts'
import type { AgentSession } from '../agent-client/agent-session.ts'

export interface Host {
  /** As the user wrote it; null where it is the only host. */
  readonly name: string | null
  readonly facts: ServerFacts
  /** The open session; a lost connection replaces it. */
  agent(): AgentSession
  /** What an upload can build on. Requested together with the facts, so it costs no wait of its own. */
  base(): Promise<Result<'outline'>>
  /** Opens a new session. @throws Failure while the server cannot be reached */
  reconnect(): Promise<void>
  close(): void
}

/**
 * Calls `act` for all hosts, `atOnce` at a time, and waits for every one, also when some fail.
 * @param act gets a pipeline whose rows and lines name the host
 * @throws Failure of the first failed host, in their order; it names the host, and how many more failed
 */
export async function onEach<H extends Pick<Host, 'name'>, T>(
  hosts: readonly H[],
  atOnce: number,
  pipeline: Pipeline,
  act: (host: H, pipeline: Pipeline) => Promise<T>,
): Promise<readonly T[]> {
  const results: PromiseSettledResult<T>[] = []
  const waiting = hosts.entries()
  const next = async () => {
    for (const [index, host] of waiting) {
      results[index] = await settled(act(host, pipeline.on(host.name)))
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, hosts.length) }, next))

  const failed = results.flatMap((result, index) =>
    result.status === 'rejected' ? [named(hosts[index]!.name, Failure.from(result.reason))] : [],
  )
  const [first, ...others] = failed
  if (first !== undefined) {
    throw others.length === 0
      ? first
      : first.reworded(`${first.message.replace(/\.?$/, '.')} ${plural(others.length, 'more host')} failed.`)
  }
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

/** Checks the facts of each host. @throws Failure of the first that `check` refuses, with the host's name */
export function checkEach(
  hosts: readonly Pick<Host, 'name' | 'facts'>[],
  check: (facts: ServerFacts) => void,
): void {
  for (const { name, facts } of hosts) {
    try {
      check(facts)
    } catch (error) {
      throw named(name, Failure.from(error))
    }
  }
}

/** @throws Failure `same-host` when two of them are the same folder of the same machine */
export function assertDistinct(hosts: readonly Pick<Host, 'name' | 'facts'>[]): void {
  const known = new Map<string, string | null>()
  for (const { name, facts } of hosts) {
    const other = known.get(facts.identity)
    if (other !== undefined) {
      throw failure('same-host', { first: String(other), second: String(name), path: facts.path })
    }
    known.set(facts.identity, name)
  }
}

async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([promise])
  return result
}

/** Adds the host's name to a failure, where there are other hosts. */
export function named(name: string | null, failure: Failure): Failure {
  return name === null ? failure : failure.reworded(`${name}: ${failure.message}`)
}
