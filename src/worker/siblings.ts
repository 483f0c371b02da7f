/** What the app's other workers say of themselves. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startTimeOf } from '../common/process-identity.ts'
import { parse } from '../protocol/guards.ts'
import { type WorkerRecord, workerRecord } from './worker-record.ts'

/** The workers that live, without this one and without candidates, in the order of their pids. */
export function siblings(folder: string): readonly WorkerRecord[] {
  return [...pidsIn(folder)]
    .filter((pid) => pid !== process.pid)
    .sort((a, b) => a - b)
    .flatMap((pid) => {
      const record = read(join(folder, `${pid}.json`))
      const counts = record !== null && !record.candidate && startTimeOf(record.pid) === record.startTime
      return counts ? [record] : []
    })
}

function pidsIn(folder: string): readonly number[] {
  try {
    return readdirSync(folder).flatMap((name) => Number(/^(\d+)\.json$/.exec(name)?.[1]) || [])
  } catch {
    return []
  }
}

/** Null where it has just gone, or is another version's. */
function read(file: string): WorkerRecord | null {
  try {
    return parse(workerRecord, readFileSync(file, 'utf8'), 'worker record')
  } catch {
    return null
  }
}
