/** Follows the command that starts an app in production to the programs that it runs, without executing it. */
import { basename, resolve } from 'node:path'
import { ECOSYSTEM_FILES, readEcosystem } from './ecosystem-file.ts'
import { isDirectory, isFile, readTextIfAny } from './files.ts'
import { readPackageJson } from './package-json.ts'
import { findProgram } from './server-modules.ts'

export interface Program {
  /** Absolute: its first file, or that file's source. */
  readonly file: string
  readonly trail: readonly string[]
}

export interface Followed {
  readonly programs: readonly Program[]
  /** Whether it runs `next start` or the standalone server. */
  readonly runsNext: boolean
  /** Files that it names and that the repository lacks, or that cannot be read without executing them. */
  readonly unknown: readonly string[]
}

/** @param workspace the repository's folder: nothing outside is read */
export function followCommand(command: string, directory: string, workspace: string): Followed {
  const programs: Program[] = []
  const unknown: string[] = []
  const seen = new Set<string>()
  let runsNext = false

  function follow(text: string, from: string, trail: readonly string[]): void {
    if (seen.has(`${from}\n${text}`)) return
    seen.add(`${from}\n${text}`)
    let folder = from
    for (const words of simpleCommands(text)) {
      if (words[0] === 'cd') folder = folderNamed(folder, words[1]) ?? folder
      else run(words, folder, trail)
    }
  }

  function run(words: readonly string[], from: string, trail: readonly string[]): void {
    const program = words.find((word) => !/^\w+=/.test(word)) ?? ''
    if (NO_PROGRAMS.has(basename(program))) return
    if (startsNext(words)) {
      runsNext = true
      return
    }
    const folder = folderOption(words, from) ?? from
    const scripts = followScripts(words, folder, trail)
    const isPm2 = words.some((word) => PM2.test(basename(word)))
    const resolved = words.filter(
      (word, index) => !scripts.includes(word) && followFile(words, index, folder, isPm2, trail),
    )
    if (!isPm2 || scripts.length + resolved.length > 0) return
    const standard = ECOSYSTEM_FILES.find((name) => isFile(resolve(folder, name)))
    if (standard !== undefined) followEcosystem(standard, folder, trail)
  }

  /** Whether the word at `index` named a file of the repository, which was followed. */
  function followFile(
    words: readonly string[],
    index: number,
    folder: string,
    isPm2: boolean,
    trail: readonly string[],
  ): boolean {
    const [word = '', before = ''] = [words[index], words[index - 1]]
    if (word.includes(' ')) {
      follow(word, folder, trail)
      return false
    }
    if (!/^[\w@./-]+$/.test(word) || word.startsWith('-') || NAMING.has(before)) return false
    if (/[/.]/.test(word) ? word.includes('node_modules/') : isWordOfTools(word, before)) return false
    if (word.endsWith('.sh')) {
      const script = readTextIfAny(resolve(folder, word))
      if (script === undefined) unknown.push(word)
      else follow(script.replace(/\\\n/g, ' ').replace(/^[ \t]*#.*$/gm, ''), folder, [...trail, word])
      return script !== undefined
    }
    if (ECOSYSTEM.test(word) && (isPm2 || /^(?:ecosystem|pm2|process)\b/.test(basename(word)))) {
      return followEcosystem(word, folder, trail)
    }
    const file = findProgram(folder, word, workspace)
    if (file !== undefined) programs.push({ file, trail })
    else if (/\.[cm]?[jt]s$/.test(word)) unknown.push(word)
    return file !== undefined
  }

  function followEcosystem(name: string, folder: string, trail: readonly string[]): boolean {
    const started = readEcosystem(resolve(folder, name)) ?? []
    if (started.length === 0) unknown.push(name)
    for (const each of started) follow(each.command, each.directory, [...trail, name, each.command])
    return started.length > 0
  }

  /** @returns the words that name scripts */
  function followScripts(
    words: readonly string[],
    folder: string,
    trail: readonly string[],
  ): readonly string[] {
    const runner = words.findIndex((word) => RUNNERS.has(basename(word)))
    const scripts = runner === -1 ? {} : (readPackageJson(folder)?.scripts ?? {})
    return words.slice(runner + 1).filter((word) => {
      const name = word.replace(/^npm:/, '')
      const script = Object.hasOwn(scripts, name) ? scripts[name] : undefined
      if (typeof script === 'string') follow(script, folder, [...trail, script])
      return typeof script === 'string'
    })
  }

  follow(command, directory, [command])
  return { programs, runsNext, unknown: [...new Set(unknown)] }
}

/** They run scripts of package.json. */
const RUNNERS: ReadonlySet<string> = new Set(
  'npm pnpm yarn bun npm-run-all npm-run-all2 run-s run-p concurrently --run turbo nx'.split(' '),
)
const PM2 = /^pm2(?:-runtime|-docker|-dev)?$/
const ECOSYSTEM = /(?:\.config\.[cm]?[jt]s|\.json|\.ya?ml)$/

/** They run no program of the app. */
const NO_PROGRAMS: ReadonlySet<string> = new Set(
  (
    'tsc tsup swc babel esbuild webpack rollup eslint prisma wait-on patch-package ' +
    'rm rimraf cp mv mkdir echo sleep export set test ['
  ).split(' '),
)
/** A name follows these options. */
const NAMING: ReadonlySet<string> = new Set('--name -n -p --port -P --project -e --env'.split(' '))
/** They run a program that is named without an extension. */
const EXECUTORS = /^(?:node|nodejs|bun|tsx|ts-node|ts-node-esm|babel-node|nodemon|forever)$/

/** `next start`: a next.js or a start.ts in the folder has nothing to do with it. */
function isWordOfTools(word: string, before: string): boolean {
  const isTool = ['next', 'start', 'run', 'dev', 'build'].includes(word)
  return isTool && !EXECUTORS.test(before)
}

function startsNext(words: readonly string[]): boolean {
  return words.some(
    (word, index) =>
      // Next.js's own server.js, which imports next as well.
      word.includes('standalone/') || (/(?:^|\/)next$/.test(word) && (words[index + 1] ?? '') === 'start'),
  )
}

function folderNamed(from: string, name = ''): string | undefined {
  const folder = resolve(from, name)
  return isDirectory(folder) ? folder : undefined
}

/** `npm --prefix server run start` */
function folderOption(words: readonly string[], from: string): string | undefined {
  const [, inline] = words.map((word) => /^--(?:prefix|cwd|dir)=(.+)$/.exec(word)).find(Boolean) ?? []
  const index = words.findIndex((word) => ['--prefix', '--cwd', '--dir', '-C'].includes(word))
  const name = inline ?? (index === -1 ? undefined : words[index + 1])
  return name === undefined ? undefined : folderNamed(from, name)
}

/** Returns the words of each command in a line or a script; quoted text is one word. */
function simpleCommands(text: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]]
  const tokens = text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|(&&|\|\||[;&|\n])|([^\s"';&|]+)/g)
  for (const [, double, single, separator, word] of tokens) {
    if (separator === undefined) commands.at(-1)!.push((double ?? single ?? word ?? '').trim())
    else commands.push([])
  }
  return commands.filter((words) => words.length > 0)
}
