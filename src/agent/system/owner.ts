/** A file that says which process something belongs to, so that what the dead left behind is known as such. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { count, type Guarded, object, parse, string } from '../../protocol/guards.ts'
import { ageOf, startTimeOf } from '../../common/process-identity.ts'
import { writeFileAtomic } from './files.ts'
import { isRunning, signal } from './processes.ts'

const owner = object({ pid: count, startTime: string })

/** Between two looks at whether a process has ended, in ms. */
const PAUSE = 20
/** What a process gets to end by itself, in ms. */
const PATIENCE = 5000

/** Says that it is this process's, or another one's. */
export function writeOwner(file: string, pid = process.pid): Promise<void> {
  return writeFileAtomic(file, JSON.stringify({ pid, startTime: startTimeOf(pid) ?? '' }), 0o600)
}

/** Whether the owner lives; null where the file says nothing. */
export function ownerLives(file: string): boolean | null {
  const named = readOwner(file)
  return named && isRunning(named.pid, named.startTime)
}

/** How long the owner has run, in ms; null where it has ended. */
export function ownerAge(file: string): number | null {
  const named = readOwner(file)
  return named !== null && isRunning(named.pid, named.startTime) ? ageOf(named.startTime) : null
}

/** Ends the owner, with all that it started, where it leads a group. */
export function killOwnersGroup(file: string): void {
  const named = readOwner(file)
  if (named !== null && isRunning(named.pid, named.startTime)) signal(-named.pid, 'SIGKILL')
}

/**
 * Waits until the owner has ended, which one whose connection was cut does by itself once it has worked off what
 * had come; then ends it. This process is not waited for, nor one that hangs in the kernel: it does nothing more.
 */
export async function endOwner(file: string): Promise<void> {
  const named = readOwner(file)
  if (named === null || named.pid === process.pid) return
  for (let waited = 0; isRunning(named.pid, named.startTime) && waited < 2 * PATIENCE; waited += PAUSE) {
    if (waited >= PATIENCE) signal(named.pid, 'SIGKILL')
    await delay(PAUSE)
  }
}

function readOwner(file: string): Guarded<typeof owner> | null {
  try {
    return parse(owner, readFileSync(file, 'utf8'), 'owner')
  } catch {
    return null
  }
}
