/** Which release takes the traffic, asked of the workers' own records. */
import { lastActivation } from '../../worker/activation-file.ts'
import type { Layout } from '../store/layout.ts'
import { readWorkers } from './workers.ts'

/**
 * Null where no worker takes traffic, or where they do for more than one release. While an activation is under way,
 * or waits to be taken up, both may: then it is the one before. PM2's list would not do here, as it hides the workers that it is
 * replacing (`_old_…`, 5.4 to 7), and they serve.
 */
export async function servingRelease(layout: Layout): Promise<string | null> {
  const workers = await readWorkers(layout.workers)
  const open = new Set(
    workers.flatMap(({ candidate, phase, release }) => (!candidate && phase === 'open' ? [release] : [])),
  )
  const trial = lastActivation(layout.base)?.target
  if (open.size > 1 && trial !== undefined) open.delete(trial)
  return open.size === 1 ? [...open][0]! : null
}
