/** What the kernel says about processes. Linux only, as the servers are. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { startTimeOf } from '../server/process-identity.ts'

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

export function isRunning(pid: number, startTime: string): boolean {
  return pid > 0 && startTimeOf(pid) === startTime
}

export function pids(): readonly number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

/** The command line as one text, or what the process has made of it; '' where it has ended. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

/** The working directories of all processes that we may look at. */
export function workingDirectories(): ReadonlyMap<number, string> {
  const found = new Map<number, string>()
  for (const pid of pids()) {
    const directory = workingDirectoryOf(pid)
    if (directory !== null) found.set(pid, directory)
  }
  return found
}

function workingDirectoryOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return null
  }
}
