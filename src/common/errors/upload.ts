/** Sending a release and receiving it. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

export const texts = {
  'base-changed': {
    message: 'The release that this upload builds on has changed on the server.',
    remedy: 'Deploy again.',
    cause: 'Another deploy removed old releases, or somebody changed one by hand.',
  },
  'upload-corrupt': {
    message: 'The upload arrived damaged: {problem}.',
    remedy: 'Deploy again. If it fails again, check the server’s disk.',
  },
  'upload-incomplete': {
    message: 'The upload is incomplete: {problem}.',
    remedy: 'Deploy again. Files that have arrived are not sent twice.',
  },
  'no-such-upload': {
    message: 'The server knows of no such upload in this session.',
    remedy: 'Deploy again, and open an issue with the summary of both runs.',
  },
  'release-exists': {
    message: 'Another deploy has taken the release id "{release}" on this host.',
    remedy: 'Deploy again.',
    cause: 'Two deploys to one host started in the same second.',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
