/** What the workflow says. */
import type { ErrorTexts } from './text.ts'

export const texts = {
  'missing-input': {
    message: '`{input}` is required.',
    remedy: 'Set `{input}`. If it comes from a secret or a variable, check that name.',
    cause: 'Workflows of forks and of Dependabot get no secrets.',
  },
  'invalid-input': {
    message: '`{input}` is "{given}", and {accepted} is accepted.',
    remedy: 'Correct `{input}` in the workflow.',
    cause: '[Inputs](inputs.md) lists the inputs.',
  },
} as const satisfies ErrorTexts
