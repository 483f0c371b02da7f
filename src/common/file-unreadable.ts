import { Failure } from './failure.ts'

/** What the runner's system says of a file of the user's that cannot be read, as a Failure. */
export function fileUnreadable(path: string, error: unknown): Failure {
  if (error instanceof Failure) return error
  const { code = '', message } = error as { code?: string; message: string }
  const { reason, remedy } = CAUSES[code] ?? { reason: message, remedy: REPLACE }
  return new Failure('file-unreadable', `Could not read ${JSON.stringify(path)}: ${reason}.`, {
    remedy,
    cause: error,
  })
}

interface Cause {
  readonly reason: string
  readonly remedy: string
}

const REPLACE = 'Replace it with a regular file, or remove it from the repository.'
const DENIED: Cause = {
  reason: 'permission denied',
  remedy:
    'Let the user of the runner read it: what a container wrote belongs to root unless the container ran as that user.',
}

const CAUSES: Readonly<Record<string, Cause>> = {
  EACCES: DENIED,
  EPERM: DENIED,
  EISDIR: { reason: 'it is a folder', remedy: REPLACE },
  ELOOP: { reason: 'its symbolic links lead in a circle', remedy: REPLACE },
  ENOENT: {
    reason: 'it is not there any more',
    remedy: 'Make the build command wait for everything it starts: something still changes the files.',
  },
}
