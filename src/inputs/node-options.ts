import { Unusable } from './unusable.ts'

/** Both break pnpm trees, and let an old worker read the new release's files through `current` (PM2 7.0.4). */
const refused = new Set(['--preserve-symlinks', '--preserve-symlinks-main'])

/** Node's flags as an argument vector: split at white space, quotes group, a backslash escapes in double quotes. */
export function nodeOptions(text: string): readonly string[] {
  const words = split(text)
  if (!words[0]?.startsWith('-')) throw new Unusable('Node flags such as --max-old-space-size=512')
  // Node reads an underscore in a flag's name as a hyphen.
  const flags = words.map((word) => word.replace(/=.*/s, '').replaceAll('_', '-'))
  const flag = flags.find((name) => refused.has(name))
  if (flag !== undefined) {
    throw new Unusable(
      `flags without ${flag}, which makes a running worker read the files of the next release`,
    )
  }
  return words
}

function split(text: string): readonly string[] {
  const word = /(?:[^\s"']|"(?:[^"\\]|\\.)*"|'[^']*')+/gs
  const rest = text.replaceAll(word, '')
  if (rest.trim() !== '') throw new Unusable('Node flags with every quote closed')
  return [...text.matchAll(word)].map(([match]) =>
    match.replaceAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, (_, double?: string, single?: string) =>
      double === undefined ? (single ?? '') : double.replaceAll(/\\(["\\])/g, '$1'),
    ),
  )
}
