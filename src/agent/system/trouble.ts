/** The server's own troubles, in words that say what to do. */
import { Failure } from '../../common/failure.ts'
import { accessRefused } from './access.ts'

export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOSPC' || code === 'EDQUOT'
}

/** Any error of the agent's as a Failure: `disk-full`, `path-not-writable`, or `agent-failed`. */
export function troubleOf(error: unknown): Failure {
  const { code, path } = error as NodeJS.ErrnoException
  const where = path === undefined ? '' : ` (${path})`
  if (isDiskFull(error)) {
    return new Failure('disk-full', `the server’s disk is full${where}`, {
      remedy: 'Free some space or inodes on the server, or lower `keep-releases`.',
      cause: error,
    })
  }
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return accessRefused(path, error as NodeJS.ErrnoException)
    case 'EROFS':
      return new Failure('path-not-writable', `the server’s file system is read-only${where}`, {
        remedy: 'Mount it writable, or set `path` to a folder on another one.',
        cause: error,
      })
    default:
      return Failure.from(error, 'agent-failed')
  }
}
