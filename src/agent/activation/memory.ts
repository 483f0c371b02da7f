/** Whether the server has room for the old workers and the new ones at the same time. */
import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { type Kernel, kernel, memoryLeft } from '../system/cgroup.ts'
import type { Pm2Process } from '../pm2/client.ts'

/** What a worker of a small Next.js app takes (seen with 14 to 16), where none runs that could be measured. */
const USUAL = 120 * 1024 * 1024
/** A new worker may take this much more than the old ones do. */
const HEADROOM = 1.2

/** @param available bytes: see `availableMemory` */
export function mayRunTogether(
  running: readonly Pick<Pm2Process, 'memoryBytes'>[],
  instances: number,
  available: number,
): boolean {
  const measured = running.map(({ memoryBytes }) => memoryBytes).filter((bytes) => bytes > 0)
  const each = measured.length === 0 ? USUAL : Math.max(...measured)
  return instances <= 1 || instances * each * HEADROOM <= available
}

/** In bytes. @param daemon PM2's: the workers are in its control groups, and under their limits; null: there is none */
export function availableMemory(daemon: number | null, at = kernel): number {
  return Math.min(machineMemory(at), memoryLeft(daemon ?? 'self', at))
}

/** The kernel's own estimate. */
function machineMemory({ proc }: Kernel): number {
  try {
    const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync(`${proc}/meminfo`, 'utf8'))?.[1]
    return kilobytes === undefined ? totalmem() : Number(kilobytes) * 1024
  } catch {
    return totalmem()
  }
}
