import { readFileSync } from 'node:fs'
import { sinceBoot } from './since-boot.ts'

/**
 * Clock ticks from boot to the start of a process: with its pid, its identity. Null if it is gone or a zombie.
 * Linux only, as the servers are.
 */
export function startTimeOf(pid: number): string | null {
  try {
    // Fields 3 and 22; the name in field 2 may hold spaces and parentheses, so count from its end.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? null : (fields[19] ?? null)
  } catch {
    return null
  }
}

/** Linux counts these in hundredths of a second, whatever the kernel's own clock (`USER_HZ`). */
const TICK = 10

/** How long a process has run that started then, in ms. @param startTime as `startTimeOf` gives it */
export function ageOf(startTime: string): number {
  return Math.max(0, sinceBoot() - Number(startTime) * TICK)
}
