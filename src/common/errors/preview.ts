/** Previews of an app. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

export const texts = {
  'preview-unusable': {
    message:
      'The path of the preview’s socket, "{socket}", has {bytes} bytes, and a Unix socket takes {most}.',
    remedy: 'Shorten `preview` or `path`.',
  },
  'preview-unusable: socket': {
    message: '"{socket}" is not a socket, so the preview cannot listen there.',
    remedy: 'Move the file away, or choose another name for `preview`.',
  },
  'preview-unusable: folder': {
    message: '"{folder}" is not a folder, so it cannot hold the preview.',
    remedy: 'Remove the file or link, or choose another name for `preview`.',
  },
  'preview-unusable: name': {
    message: 'PM2 runs an app named "{name}" that Gapless did not start, and the preview would replace it.',
    remedy: 'Choose another name for `preview`.',
  },
  'memory-low': {
    message: 'The preview may use {needed} of memory, and the server has {available} available.',
    remedy: 'Remove a preview that nobody needs, or lower `max-memory`.',
    cause:
      '`max-memory` is 512M for previews unless it is set. Lower `preview-limit` or `preview-ttl` to keep fewer.',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
