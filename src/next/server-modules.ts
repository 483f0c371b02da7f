/** The JavaScript and TypeScript files of a program, and whether one of them starts Next.js itself. */
import { basename, dirname, extname, join, relative, sep } from 'node:path'
import { withoutComments } from './comments.ts'
import { isDirectory, isFile, readTextIfAny } from './files.ts'
import { readPackageJson } from './package-json.ts'
import { isInside } from './paths.ts'

const EXTENSIONS = ['.js', '.ts', '.mjs', '.mts', '.cjs', '.cts', '.tsx', '.jsx'] as const

/** More files are not read: a custom server imports Next.js early. */
const MOST_FILES = 100
const MOST_CHARACTERS = 500_000

/** Searches a program for the file that imports Next.js, which only a custom server does. */
export function findCustomServer(entry: string, workspace: string): string | undefined {
  return modulesOf(entry, workspace).find((file) =>
    IMPORTS_NEXT.some((pattern) => pattern.test(codeOf(file))),
  )
}

/** Yields a file and the files that it imports by path, directly or not. */
export function modulesOf(entry: string, workspace: string): readonly string[] {
  const files = [entry]
  for (const file of files) {
    const imported = [...codeOf(file).matchAll(RELATIVE)].flatMap(
      ([, specifier = '']) => resolveModule(join(dirname(file), specifier)) ?? [],
    )
    const fresh = imported.filter((each) => !files.includes(each) && isRead(each, workspace))
    files.push(...fresh.slice(0, MOST_FILES - files.length))
  }
  return files
}

/** The sources of a program that is named by its path, with or without an extension, by its folder, or compiled. */
export function findProgram(directory: string, word: string, workspace: string): string | undefined {
  const found = resolveModule(join(directory, word)) ?? sourceOf(directory, word)
  return found !== undefined && isRead(found, workspace) ? found : undefined
}

/** `import type` and JSDoc's `import('next').NextConfig` only name types. */
const PACKAGE = String.raw`['"](?:next|nest-next|@fastify/nextjs)['"]`
const IMPORTS_NEXT = [
  new RegExp(String.raw`\brequire\(\s*${PACKAGE}\s*\)`),
  new RegExp(String.raw`\bawait\s+import\(\s*${PACKAGE}\s*\)`),
  new RegExp(String.raw`\bimport\(\s*${PACKAGE}\s*\)\s*\.then\b`),
  new RegExp(
    String.raw`\bimport\s+(?!type\b)(?:[\w$]+|\*\s*as\s+[\w$]+)\s*(?:,[^'"]{0,500})?from\s*${PACKAGE}`,
  ),
  new RegExp(String.raw`\bimport\s*\{[^}]{0,500}\bdefault\s+as\b[^}]{0,500}\}\s*from\s*${PACKAGE}`),
]
const RELATIVE =
  /(?:\brequire\(\s*|\bimport\(\s*|\bfrom\s+|\bimport\s+)['"](\.{1,2}(?:\/[^'"\n]{0,500})?)['"]/g

function codeOf(file: string): string {
  return withoutComments((readTextIfAny(file) ?? '').slice(0, MOST_CHARACTERS))
}

/** In the order of Node and TypeScript. */
function resolveModule(path: string): string | undefined {
  const withoutJs = path.replace(/\.([cm]?)js$/, '.$1ts')
  const candidates = [path, ...EXTENSIONS.map((extension) => path + extension), withoutJs]
  const file = candidates.find((candidate) => hasCode(candidate) && isFile(candidate))
  if (file !== undefined || !isDirectory(path)) return file
  const main = mainOf(path)
  return (main === undefined ? undefined : resolveModule(join(path, main))) ?? existing(path, 'index')
}

function mainOf(folder: string): string | undefined {
  const main = readPackageJson(folder)?.main
  return main === undefined || ['', '.', './'].includes(main) ? undefined : main
}

/** `dist/server/main.js` is compiled from `server/main.ts`, `src/server/main.ts`, or from a `main.ts`. */
function sourceOf(directory: string, word: string): string | undefined {
  if (!/\.[cm]?js$/.test(word)) return undefined
  const [, ...below] = word.replace(/^\.\//, '').split('/')
  const name = basename(word, extname(word))
  const folder = dirname(below.join('/'))
  const places = [folder, join('src', folder), '.', 'src', 'server']
  return places.map((place) => existing(join(directory, place), name)).find((found) => found !== undefined)
}

function existing(folder: string, name: string): string | undefined {
  return EXTENSIONS.map((extension) => join(folder, name + extension)).find(isFile)
}

function hasCode(path: string): boolean {
  return extname(path) === '.json' || (EXTENSIONS as readonly string[]).includes(extname(path))
}

function isRead(file: string, workspace: string): boolean {
  return isInside(workspace, file) && !relative(workspace, file).split(sep).includes('node_modules')
}
