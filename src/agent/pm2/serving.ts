/** Which release receives the traffic, by the workers' own records. */
import { lastActivation } from '../../worker/activation-file.ts'
import type { Layout } from '../store/layout.ts'
import { readWorkers } from './workers.ts'

/**
 * Returns null where no worker receives traffic, or where workers of several releases do. During an activation
 * both may: then it returns the previous one. PM2's list does not help here: it omits the workers that it is
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
