/** What the detached activation process is told, and what it leaves while it runs: files that only the user can read. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Guarded, object, string } from '../../protocol/guards.ts'
import { activationRequest } from '../../protocol/messages.ts'
import type { Layout } from '../layout.ts'

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
  /** Says who runs it, for sessions that watch it later. */
  readonly owner: string
}

export function activationFiles({ activations }: Layout, activation: string): ActivationFiles {
  const file = (ending: string) => join(activations, `${activation}.${ending}`)
  return { job: file('json'), log: file('log'), owner: file('owner') }
}

/** After the verdict is in the journal the files have done their work. */
export async function removeFiles({ job: jobFile, log, owner }: ActivationFiles): Promise<void> {
  await Promise.all([jobFile, log, owner].map((file) => rm(file, { force: true })))
}
