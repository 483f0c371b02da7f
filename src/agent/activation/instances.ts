import { cpus } from 'node:os'
import type { Runtime } from '../../protocol/messages.ts'
import { cpusAllowed, kernel } from '../system/cgroup.ts'

/**
 * How many workers the release asks for; 0 stands for one per core that they may use.
 * @param daemon PM2's, in whose control group the workers are; null: this process stands for it
 */
export function instancesOf(
  { instances }: Pick<Runtime, 'instances'>,
  daemon: number | null,
  at = kernel,
): number {
  return instances === 0 ? Math.ceil(Math.min(cpus().length, cpusAllowed(daemon ?? 'self', at))) : instances
}
