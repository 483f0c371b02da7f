/** A daemon that cannot start a worker any more: somebody removed the Node or the PM2 that it runs from. */
import { existsSync } from 'node:fs'
import { failure } from '../../common/errors/server.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import { executableOf } from '../system/processes.ts'
import type { Pm2Process } from './client.ts'

export interface Daemon {
  readonly pid: number
  /** The file of PM2's package that it was started with; null where it does not say. */
  readonly program: string | null
}

/**
 * Every new worker would exit at once, those of the previous release too.
 * @param all of PM2's processes
 * @param records of the app's workers
 * @throws Failure `pm2-stranded`
 */
export function assertNotStranded(
  daemon: Daemon,
  all: readonly Pm2Process[],
  records: readonly WorkerRecord[],
): void {
  const missing = [nodeOf(daemon.pid), daemon.program].find(
    (file): file is string => file !== null && !existsSync(file),
  )
  if (missing === undefined) return
  const outlives = (pid: number) => records.some((record) => record.pid === pid && record.outlives)
  const allOutlive = all.every(({ pid, status }) => status !== 'online' || outlives(pid))
  const values = { daemon: daemon.pid, missing }
  throw allOutlive ? failure('pm2-stranded', values) : failure('pm2-stranded: shared', values)
}

/** Where the daemon looks for Node; null where nobody can tell. A file of that name may have replaced the one it runs. */
function nodeOf(pid: number): string | null {
  return executableOf(pid)?.replace(/ \(deleted\)$/, '') ?? null
}
