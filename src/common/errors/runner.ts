/** The runner's own files and disk. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

const UNREADABLE = 'Could not read "{path}": {reason}.'
const WAIT = 'Make the build command wait for everything that it starts.'

export const texts = {
  'file-unreadable': {
    message: UNREADABLE,
    remedy: 'Replace "{path}" with a regular file, or remove it from the repository.',
  },
  'file-unreadable: permission denied': {
    message: UNREADABLE,
    remedy: 'Give the file to the runner’s user: `sudo chown -R "$USER" <folder>` in a step before this one.',
    cause: 'A container wrote the file as root.',
  },
  'file-unreadable: no longer exists': { message: UNREADABLE, remedy: WAIT },
  'file-changed': {
    message: '"{path}" changed while it was being sent.',
    remedy: WAIT,
    cause: 'A watcher that the build started still writes into the build.',
  },
  'runner-disk-full': {
    message: 'The runner’s disk is full.',
    remedy:
      'Free as much space as the release takes in `RUNNER_TEMP` on the runner (without it, in `TMPDIR`).',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
