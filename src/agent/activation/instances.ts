import { cpus } from 'node:os'
import type { Runtime } from '../../protocol/messages.ts'
import { cpusAllowed, kernel } from '../cgroup.ts'

/** How many workers the release asks for; 0 stands for one per core that this process may use. */
export function instancesOf({ instances }: Pick<Runtime, 'instances'>, at = kernel): number {
  return instances === 0 ? Math.ceil(Math.min(cpus().length, cpusAllowed('self', at))) : instances
}
