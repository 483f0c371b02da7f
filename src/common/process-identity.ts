import { readFileSync } from 'node:fs'
import { sinceBoot } from './since-boot.ts'

/**
 * Returns the clock ticks from boot to the start of a process: with the pid, its identity. Null if the process
 * has exited or is a zombie. Linux only, as the servers are.
 */
export function startTimeOf(pid: number): string | null {
  try {
    // Fields 3 and 22. The name in field 2 may contain spaces and parentheses, so count from its end.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? null : (fields[19] ?? null)
  } catch {
    return null
  }
}

/** In hundredths of a second, whatever the kernel's own clock (`USER_HZ`). */
const TICK = 10

/** Returns how long a process has run, in ms. @param startTime from `startTimeOf` */
export function ageOf(startTime: string): number {
  return Math.max(0, sinceBoot() - Number(startTime) * TICK)
}
