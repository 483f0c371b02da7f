/** A file that says which process something belongs to, so that what the dead left behind is known as such. */
import { readFileSync } from 'node:fs'
import { count, object, parse, string } from '../protocol/guards.ts'
import { startTimeOf } from '../server/process-identity.ts'
import { writeFileAtomic } from './files.ts'
import { isRunning } from './processes.ts'

const owner = object({ pid: count, startTime: string })

/** Says that it is this process's. */
export function writeOwner(file: string): Promise<void> {
  const self = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
  return writeFileAtomic(file, JSON.stringify(self), 0o600)
}

/** Whether the owner lives; null where the file says nothing. */
export function ownerLives(file: string): boolean | null {
  try {
    const { pid, startTime } = parse(owner, readFileSync(file, 'utf8'), 'owner')
    return isRunning(pid, startTime)
  } catch {
    return null
  }
}
