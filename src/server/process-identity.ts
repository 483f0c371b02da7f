import { readFileSync } from 'node:fs'

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
