/** The records of the app's workers, verified against the kernel. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from '../../protocol/guards.ts'
import { type WorkerRecord, workerRecord } from '../../worker/worker-record.ts'
import { readIfThere } from '../system/files.ts'
import { isRunning } from '../system/processes.ts'

/** Returns the records of living processes. */
export async function readWorkers(directory: string): Promise<readonly WorkerRecord[]> {
  const found = await Promise.all((await pidsIn(directory)).map((pid) => readWorker(directory, pid)))
  return found.filter((worker) => worker !== null)
}

/** Removes the records of dead processes. */
export async function removeDeadWorkers(directory: string): Promise<void> {
  const alive = new Set((await readWorkers(directory)).map(({ pid }) => String(pid)))
  for (const name of await readdir(directory).catch(() => [])) {
    const pid = /^(\d+)\.(?:json|share|gift)$/.exec(name)?.[1]
    if (pid !== undefined && !alive.has(pid)) await rm(join(directory, name), { force: true })
  }
}

async function pidsIn(directory: string): Promise<readonly number[]> {
  const names = await readdir(directory).catch(() => [])
  return names.flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? []).map(Number)
}

function fileOf(directory: string, pid: number): string {
  return join(directory, `${pid}.json`)
}

/** Returns the record of a living process, or null. */
export async function readWorker(directory: string, pid: number): Promise<WorkerRecord | null> {
  const text = await readIfThere(fileOf(directory, pid))
  if (text === null) return null
  try {
    const worker = parse(workerRecord, text, 'worker record')
    return isRunning(worker.pid, worker.startTime) ? worker : null
  } catch {
    return null
  }
}
