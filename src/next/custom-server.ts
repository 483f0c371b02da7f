/** A server of the user's own around Next.js (`next({ dev })`), which a standalone build does without. */
import { basename, extname, join } from 'node:path'
import { Failure } from '../protocol/failure.ts'
import { isFile, readTextIfAny } from './files.ts'
import type { PackageJson } from './package-json.ts'
import { isInside } from './paths.ts'

/**
 * Only a `start` script that runs it is proof that production needs it: a `server.js` alone may be for
 * development.
 *
 * @throws Failure `custom-server`
 */
export function refuseCustomServer(directory: string, { scripts }: PackageJson): void {
  const { start } = scripts
  if (typeof start !== 'string') return
  const server = start
    .split(/[\s;&|]+/)
    .flatMap((word) => sourcesOf(directory, word))
    .find((file) => IMPORTS_NEXT.test(readTextIfAny(file) ?? ''))
  if (server === undefined) return
  throw new Failure(
    'custom-server',
    `The app's start script (\`${start}\`) runs a server of its own, ${server.slice(directory.length + 1)}.`,
    {
      remedy:
        "Next.js's standalone output does not take a custom server along, so what it does would be missing: move " +
        'that to route handlers, rewrites, proxy (middleware) or instrumentation, or run it as a program of its own ' +
        'beside the app. If production does not need it, make the start script `next start`.',
    },
  )
}

const IMPORTS_NEXT = /\b(?:require\(\s*|import\(\s*|from\s+)['"]next['"]/
/** `next start`, which a next.js or a start.ts in the folder has nothing to do with. */
const WORDS_OF_NEXT: ReadonlySet<string> = new Set(['', 'next', 'start'])
const EXTENSIONS = ['', '.js', '.ts', '.mjs', '.mts', '.cjs', '.cts'] as const

/** The file that a word of a command names, or the source of what is compiled to it. */
function sourcesOf(directory: string, word: string): readonly string[] {
  if (!/^[\w@./-]+$/.test(word) || word.startsWith('-') || WORDS_OF_NEXT.has(word)) return []
  // Next.js's own server.js, which imports next as well.
  if (word.includes('standalone/')) return []
  const named = existing(EXTENSIONS.map((extension) => join(directory, `${word}${extension}`)))
  if (named.length > 0 || !/\.[cm]?js$/.test(word)) return named.filter((file) => isInside(directory, file))
  const name = basename(word, extname(word))
  return existing(
    ['', 'src', 'server'].flatMap((folder) =>
      EXTENSIONS.map((extension) => join(directory, folder, `${name}${extension}`)),
    ),
  )
}

function existing(files: readonly string[]): readonly string[] {
  return files.filter(isFile)
}
