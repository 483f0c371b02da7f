/** What the detached activation process is told, and what it leaves while it runs: files that only the user can read. */
import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { count, type Guarded, object, parse, string } from '../../protocol/guards.ts'
import { activationRequest } from '../../protocol/messages.ts'
import { startTimeOf } from '../../server/process-identity.ts'
import { writeFileAtomic } from '../files.ts'
import type { Layout } from '../layout.ts'
import { isRunning } from '../processes.ts'

export const job = object({
  base: string,
  appName: string,
  pm2Path: string,
  pm2Version: string,
  pm2Home: string,
  request: activationRequest,
})
export type Job = Guarded<typeof job>

interface ActivationFiles {
  readonly job: string
  readonly log: string
  readonly process: string
}

export function activationFiles({ activations }: Layout, activation: string): ActivationFiles {
  const file = (ending: string) => join(activations, `${activation}.${ending}`)
  return { job: file('json'), log: file('log'), process: file('process') }
}

const processGuard = object({ pid: count, startTime: string })

/** Says who runs the activation, for sessions that watch it later. */
export function writeProcess(files: ActivationFiles): Promise<void> {
  const self = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
  return writeFileAtomic(files.process, JSON.stringify(self), 0o600)
}

/** Null while, or after, nobody says who runs it. */
export function isActivationRunning(files: ActivationFiles): boolean | null {
  try {
    const { pid, startTime } = parse(processGuard, readFileSync(files.process, 'utf8'), 'activation process')
    return isRunning(pid, startTime)
  } catch {
    return null
  }
}

/** After the verdict is in the journal the files have done their work. */
export async function removeFiles({
  job: jobFile,
  log,
  process: processFile,
}: ActivationFiles): Promise<void> {
  await Promise.all([jobFile, log, processFile].map((file) => rm(file, { force: true })))
}
