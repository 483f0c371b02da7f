/** recover: finishes or undoes what an earlier run began and nobody ended, because a process or the server died. */
import type { Pipeline } from '../pipeline.ts'
import { Failure } from '../protocol/failure.ts'
import type { Server } from './connect.ts'

/**
 * A row of its own, and only where there is something to recover. What cannot be recovered does not stop the run:
 * the release that it brings may be what is needed.
 * @returns what is live after it
 */
export async function recover({ agent, facts }: Server, pipeline: Pipeline): Promise<string | null> {
  const { interrupted, live } = facts
  if (interrupted === null) return live
  const recovery = pipeline.run('recover', async () => {
    const verdict = await agent.call('watch', { activation: interrupted, withdraw: false })
    if (verdict.status === 'down') throw Failure.revive(verdict.failure!)
    const detail = `an earlier run was interrupted after the swap; it ended ${verdict.status}, ${verdict.live} is live`
    return { value: verdict.live, detail }
  })
  return recovery.catch(() => live)
}
