/** What the app's workers say of themselves, proven against the kernel. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from '../protocol/guards.ts'
import { type WorkerRecord, workerRecord } from '../server/worker-record.ts'
import { readIfThere } from './files.ts'
import { isRunning } from './processes.ts'

/** The records of the processes that live. What dead ones left behind is removed. */
export async function readWorkers(directory: string): Promise<readonly WorkerRecord[]> {
  const names = await readdir(directory).catch(() => [])
  const found = await Promise.all(
    names
      .filter((name) => /^\d+\.json$/.test(name))
      .map(async (name) => {
        const worker = await readWorker(directory, Number.parseInt(name, 10))
        // In vain on a read-only file system, where it does no harm.
        if (worker === null) await rm(join(directory, name), { force: true }).catch(() => undefined)
        return worker
      }),
  )
  return found.filter((worker) => worker !== null)
}

/** The record of a living process, or null. */
export async function readWorker(directory: string, pid: number): Promise<WorkerRecord | null> {
  const text = await readIfThere(join(directory, `${pid}.json`))
  if (text === null) return null
  try {
    const worker = parse(workerRecord, text, 'worker record')
    return isRunning(worker.pid, worker.startTime) ? worker : null
  } catch {
    return null
  }
}
