/** Files that the app reads at run time by a path that Next.js does not trace, so that the release lacks them. */
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { readAppPackage } from './app-package.ts'
import { entriesIn, isFile } from './files.ts'
import type { BuildOutput } from './output.ts'
import { isInside } from './paths.ts'
import { modulesOf } from './server-modules.ts'

export type Place = Pick<BuildOutput, 'directory' | 'relativeAppDir' | 'nextVersion'>

/** Dependencies that read files in the app's folder at run time, with the files' names. */
const READERS: readonly (readonly [dependency: string, names: readonly string[]])[] = [
  ['next-i18next', ['next-i18next.config.js', 'next-i18next.config.mjs', 'next-i18next.config.cjs']],
  ['config', ['config']],
]

export interface Wanted {
  readonly dependency: string
  /** Relative to the release. */
  readonly path: string
}

/** The files that well-known dependencies read at run time: the release must have these, and what they import. */
export function readAtRunTime(place: Place): readonly Wanted[] {
  const { directory } = place
  const dependencies = readAppPackage(directory, rootOf(place))?.dependencies ?? {}
  return READERS.filter(([dependency]) => Object.hasOwn(dependencies, dependency)).flatMap(
    ([dependency, names]) =>
      names
        .map((name) => join(directory, name))
        .flatMap((path) => (isFile(path) ? modulesOf(path, rootOf(place)) : filesIn(path)))
        .map((file) => ({ dependency, path: inRelease(place, file) })),
  )
}

/** Returns one sentence for each dependency whose files the release lacks. */
export function lackingFiles(place: Place, lacking: readonly Wanted[]): readonly string[] {
  return [...new Set(lacking.map(({ dependency }) => dependency))].map((dependency) => {
    const paths = lacking.filter((each) => each.dependency === dependency).map(({ path }) => path)
    return `The dependency \`${dependency}\` reads ${quoted(paths)} when the server runs, and the release lacks that. ${include(place, paths)}`
  })
}

/** Returns the files that a log names as missing and the repository has. @returns relative to the release */
export function missingIn(log: string, place: Place): readonly string[] {
  const named = [...log.matchAll(MISSING)].map(([, path = '']) => path)
  return [...new Set(named)].filter((path) => {
    const file = resolve(rootOf(place), path)
    return isInside(rootOf(place), file) && !path.split('/').includes('.next') && isFile(file)
  })
}

/** @param paths at least one, relative to the release */
export function missingRemedy(place: Place, paths: readonly string[]): string {
  return `The app looks for ${quoted(paths)}, which the repository has and the release lacks. ${include(place, paths)}`
}

/** `ENOENT: …, open '/srv/apps/web/releases/20261120155203/x'`, `Cannot find module '/srv/…/x'` (Node.js 18 to 24) */
const MISSING =
  /(?:\bENOENT\b[^\n']{0,200}|Cannot find module )'[^\n']{0,1000}\/(?:releases\/\d{14}|current)\/([^\n']{1,1000})'/g

/** Next.js traces from version 14 on, where the option was in `experimental`. */
function include(place: Place, paths: readonly string[]): string {
  const { directory, nextVersion } = place
  const files = paths.map((path) =>
    relative(directory, join(rootOf(place), path))
      .split(sep)
      .join('/'),
  )
  const globs = files.map((file) => `'${file.startsWith('.') ? file : `./${file}`}'`)
  const option = `outputFileTracingIncludes: { '/**': [${globs.join(', ')}] }`
  const line = Number.parseInt(nextVersion ?? '', 10) === 14 ? `experimental: { ${option} }` : option
  return `Add \`${line}\` to the Next.js configuration.`
}

function quoted(paths: readonly string[]): string {
  return paths.map((path) => JSON.stringify(path)).join(', ')
}

/** The folder that stands for the release's root: the app's, or in a workspace the one that Next.js traces from. */
function rootOf({ directory, relativeAppDir }: Place): string {
  const levels = relativeAppDir === '' ? 0 : relativeAppDir.split('/').length
  return Array.from({ length: levels }).reduce<string>((folder) => dirname(folder), directory)
}

function inRelease(place: Place, file: string): string {
  return posix.normalize(relative(rootOf(place), file).split(sep).join('/'))
}

function filesIn(folder: string): readonly string[] {
  return entriesIn(folder)
    .filter((entry) => entry.isFile())
    .map(({ name }) => join(folder, name))
}
