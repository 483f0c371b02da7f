import { cpus } from 'node:os'
import type { Runtime } from '../../protocol/messages.ts'

/** How many workers the release asks for; 0 stands for one per core of the server. */
export function instancesOf({ instances }: Runtime): number {
  return instances === 0 ? cpus().length : instances
}
