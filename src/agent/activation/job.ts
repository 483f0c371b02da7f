/** What an activation's process is told to do, and the files that belong to it while it lasts. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Guarded, object, parse, string } from '../../protocol/guards.ts'
import { activationRequest } from '../../protocol/messages.ts'
import { readIfThere } from '../system/files.ts'
import type { Layout } from '../store/layout.ts'

export const job = object({
  base: string,
  appName: string,
  pm2Path: string,
  pm2Version: string,
  pm2Home: string,
  request: activationRequest,
})
export type Job = Guarded<typeof job>

/** Does what needs a little room on the disk, and makes room where there is none. */
export type Room = <T>(act: () => Promise<T>) => Promise<T>

interface ActivationFiles {
  readonly job: string
  readonly log: string
  /** Says who runs it, for sessions that watch it later. */
  readonly owner: string
  /** Where it is there, the run was cancelled: see `withdraw` in messages.ts. */
  readonly withdrawn: string
  readonly hookLog: string
  /** Says which process its hook is, which outlives the activation: see hooks.ts. */
  readonly hookOwner: string
  /** A folder: see reserve.ts. */
  readonly reserve: string
  /** A folder: the lock that the activation's own processes take to write its verdict. */
  readonly end: string
}

export function activationFiles({ activations }: Layout, activation: string): ActivationFiles {
  const file = (ending: string) => join(activations, `${activation}.${ending}`)
  return {
    job: file('json'),
    log: file('log'),
    owner: file('owner'),
    withdrawn: file('withdrawn'),
    hookLog: file('hook'),
    hookOwner: file('hook-owner'),
    // The name that version 0.1 gave it: an activation may be resumed by a newer agent.
    reserve: file('ballast'),
    end: file('end'),
  }
}

/** Null where there is none, or one that a crash cut off. */
export async function readJob(file: string): Promise<Job | null> {
  try {
    return parse(job, (await readIfThere(file)) ?? '', 'job')
  } catch {
    return null
  }
}

/** After the verdict is in the journal the files have done their work. */
export async function removeFiles(files: ActivationFiles): Promise<void> {
  await Promise.all(Object.values(files).map((file: string) => rm(file, { recursive: true, force: true })))
}
