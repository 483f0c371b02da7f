/** What `Failure.from` makes of an error that nobody raised on purpose. It needs the words without the rest. */
import type { ErrorTexts } from './text.ts'

export const texts = {
  internal: {
    message: 'An unexpected error occurred: {problem}.',
    remedy: 'Open an issue with the summary of the run.',
    cause: 'A mistake in Gapless. The output `status` is right all the same.',
  },
  'agent-failed': {
    message: 'A system call on the server failed: {problem}.',
    remedy: 'Check `ulimit -a`, `df -h` and `dmesg` on the server, then run the job again.',
    cause:
      'A limit of the user (`EMFILE`, `EAGAIN`), a failing disk (`EIO`) or a network file system (`ESTALE`).',
  },
} as const satisfies ErrorTexts
