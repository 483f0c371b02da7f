/** Rejects a release that failed, on the hosts that have it. */
import type { Host } from '../hosts/host.ts'

/** Never throws: the next cleanup removes what is left. @param remove its files too */
export async function discard(hosts: readonly Host[], id: string, remove: boolean): Promise<void> {
  await Promise.all(
    hosts.map((host) =>
      host
        .agent()
        .call('discard', { id, remove })
        .catch(() => undefined),
    ),
  )
}
