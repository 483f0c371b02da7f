/** Errors of system calls as failures with a remedy. */
import { failure } from '../../common/errors/server.ts'
import { Failure } from '../../common/failure.ts'
import { accessRefused, readOnly } from './access.ts'

export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Returns any error of the agent as a Failure: `disk-full`, `path-not-writable` or `agent-failed`. */
export function toFailure(error: unknown): Failure {
  const { code, path } = error as NodeJS.ErrnoException
  if (isDiskFull(error)) return failure('disk-full', { problem: (error as Error).message }, { cause: error })
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return accessRefused(path, error as NodeJS.ErrnoException)
    case 'EROFS':
      return readOnly(path, error)
    default:
      return Failure.from(error, 'agent-failed')
  }
}
