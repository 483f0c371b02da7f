/** Owner files: which process something belongs to, so that leftovers of dead processes can be recognised. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { count, type Guarded, object, parse, string } from '../../protocol/guards.ts'
import { ageOf, startTimeOf } from '../../common/process-identity.ts'
import { writeFileAtomic } from './files.ts'
import { isRunning, signal } from './processes.ts'

const owner = object({ pid: count, startTime: string })

/** Interval at which to check whether a process has exited, in ms. */
const PAUSE = 20
/** How long a process may take to exit before SIGKILL, in ms. */
const PATIENCE = 5000

/** Writes that something belongs to this process, or to another one. */
export function writeOwner(file: string, pid = process.pid): Promise<void> {
  return writeFileAtomic(file, JSON.stringify({ pid, startTime: startTimeOf(pid) ?? '' }), 0o600)
}

/** Returns whether the owner is alive; null where the file does not say. */
export function ownerLives(file: string): boolean | null {
  const named = readOwner(file)
  return named && isRunning(named.pid, named.startTime)
}

/** Returns how long the owner has run, in ms; null where it has exited. */
export function ownerAge(file: string): number | null {
  const named = readOwner(file)
  return named !== null && isRunning(named.pid, named.startTime) ? ageOf(named.startTime) : null
}

/** Kills the owner, and its process group where it leads one. */
export function killOwnersGroup(file: string): void {
  const named = readOwner(file)
  if (named !== null && isRunning(named.pid, named.startTime)) signal(-named.pid, 'SIGKILL')
}

/**
 * Waits until the owner has exited, then kills it. A session whose connection was lost exits once it has
 * processed what had arrived. Does not wait for this process, nor for one that hangs in the kernel.
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
