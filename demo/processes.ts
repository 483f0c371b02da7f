import { readdirSync, readlinkSync } from 'node:fs'

/**
 * Kills every process that works in a folder or below it: in a temporary folder of one's own, nobody else's
 * can. Does nothing where there is no /proc.
 * @returns how many there were
 */
export function stopProcessesIn(folder: string): number {
  return processIds().filter((pid) => isWithin(workingDirectory(pid), folder) && kill(pid)).length
}

export function isRunning(pid: number): boolean {
  return workingDirectory(pid) !== undefined
}

/** None where there is no /proc. */
export function processIds(): readonly number[] {
  try {
    return readdirSync('/proc').map(Number).filter(Number.isInteger)
  } catch {
    return []
  }
}

function workingDirectory(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    // It has ended, or is not ours to look at.
    return undefined
  }
}

function isWithin(path: string | undefined, folder: string): boolean {
  return path !== undefined && `${path}/`.startsWith(`${folder}/`)
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL')
  } catch {
    return false
  }
}
