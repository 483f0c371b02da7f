/** What the kernel knows about processes. Linux only, as the servers are. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { startTimeOf } from '../../common/process-identity.ts'

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
}

export function isRunning(pid: number, startTime: string): boolean {
  return pid > 0 && startTimeOf(pid) === startTime
}

/** @param pid below 0: the process group of that leader */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // The process has exited.
  }
}

/** How long a killed process may take to exit, in ms. */
const END = 5000
const LOOK = 5

/** Sends SIGKILL, and waits until the processes are gone. */
export async function kill(targets: readonly number[]): Promise<void> {
  const times = targets.map((pid) => startTimeOf(pid) ?? '')
  const lives = (pid: number, index: number) => isRunning(pid, times[index]!)
  for (const pid of targets.filter(lives)) signal(pid, 'SIGKILL')
  for (let waited = 0; waited < END && targets.some(lives); waited += LOOK) await delay(LOOK)
}

export function pids(): readonly number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger)
}

/** In characters. Any user of the machine can write 2 MB there. */
const LONGEST_COMMAND = 4096

/** Returns the program that a process runs, or null where nobody may tell or it has exited. */
export function executableOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`)
  } catch {
    return null
  }
}

/** Returns the command line as one text, or the title that the process has set; '' where it has exited. */
export function commandOf(pid: number): string {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').slice(0, LONGEST_COMMAND)
    return line.replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

export function withDescendants(roots: readonly number[]): readonly number[] {
  const children = new Map<number, number[]>()
  for (const pid of pids()) {
    const { parent } = statusOf(pid)
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const found = new Set(roots)
  // A Set also yields what is added during the loop.
  for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child)
  return [...found]
}

/** The living processes of a group. While a group has members, the kernel does not reuse its number. */
export function groupLedBy(leader: { readonly pid: number; readonly startTime: string }): readonly number[] {
  const now = startTimeOf(leader.pid)
  // Signals take -1 for every process, and 0 for the sender's own group.
  if (leader.pid <= 1 || (now !== null && now !== leader.startTime)) return []
  return pids().filter((pid) => {
    const startTime = startTimeOf(pid)
    return (
      startTime !== null &&
      Number(startTime) >= Number(leader.startTime) &&
      statusOf(pid).group === leader.pid
    )
  })
}

/** In bytes; 0 where the process has ended. */
export function memoryOf(pid: number): number {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}

/** Whether SIGSTOP has stopped the process. */
export function isStopped(pid: number): boolean {
  return statusOf(pid).state === 'T'
}

/** Zeros where the process has exited. */
function statusOf(pid: number): {
  readonly state: string
  readonly parent: number
  readonly group: number
} {
  try {
    // The second field, the command's name, may contain anything, parentheses too.
    const [state = '', parent, group] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .split(') ')
      .at(-1)!
      .split(' ')
    return { state, parent: Number(parent), group: Number(group) }
  } catch {
    return { state: '', parent: 0, group: 0 }
  }
}

/** Returns the working directories of all processes that this user may inspect. */
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
