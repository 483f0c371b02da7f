import { failure } from './errors/runner.ts'
import { Failure } from './failure.ts'

/** Returns an error of reading a file of the user's on the runner as a Failure `file-unreadable`. */
export function fileUnreadable(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error
  const { code = '', message } = error as { code?: string; message: string }
  const { key, reason } = CAUSES[code] ?? { key: 'file-unreadable', reason: message }
  return failure(key, { path, reason }, { cause: error })
}

interface Cause {
  readonly key: 'file-unreadable' | 'file-unreadable: permission denied' | 'file-unreadable: no longer exists'
  readonly reason: string
}

const DENIED: Cause = { key: 'file-unreadable: permission denied', reason: 'permission denied' }

const CAUSES: Readonly<Record<string, Cause>> = {
  EACCES: DENIED,
  EPERM: DENIED,
  EISDIR: { key: 'file-unreadable', reason: 'it is a folder' },
  ELOOP: { key: 'file-unreadable', reason: 'its symbolic links lead in a circle' },
  ENOENT: { key: 'file-unreadable: no longer exists', reason: 'it no longer exists' },
}
