/** Recognises Next.js apps among the packages of a repository that name `next`. */
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { hasNextConfiguration, readAppPackage } from './app-package.ts'
import { entriesIn, isFile } from './files.ts'
import type { PackageJson } from './package-json.ts'

/**
 * Whether a folder holds a Next.js app. A library that needs `next` only for development has no routes, no
 * configuration and no script of Next.js.
 */
export function isNextApp(directory: string, manifest: PackageJson): boolean {
  if (typeof manifest.installed.next !== 'string') return false
  return 'next' in manifest.dependencies || hasSignsOfApp(directory, manifest)
}

/** Whether the package.json in a folder has the dependencies of the apps below it, which have none of their own. */
export function isNxRoot(directory: string, manifest: PackageJson): boolean {
  return isFile(join(directory, 'nx.json')) && !hasSignsOfApp(directory, manifest)
}

/** Returns the folders below `root`, down to `depth` levels, that hold a Next.js app. */
export function findNextApps(root: string, depth: number): readonly string[] {
  const search = (directory: string, levels: number): readonly string[] =>
    subfolders(directory).flatMap((folder) => [
      ...(holdsNextApp(folder, root) ? [relative(root, folder)] : []),
      ...(levels > 1 ? search(folder, levels - 1) : []),
    ])
  return search(root, depth).toSorted()
}

const ROUTES = ['app', 'pages', 'src/app', 'src/pages']
const SCRIPT = /(?:^|[\s;&|])next\s+(?:build|start|dev)\b/

function hasSignsOfApp(directory: string, { scripts }: PackageJson): boolean {
  return (
    hasNextConfiguration(directory) ||
    ROUTES.some((name) => existsSync(join(directory, name))) ||
    Object.values(scripts).some((script) => typeof script === 'string' && SCRIPT.test(script))
  )
}

function subfolders(directory: string): readonly string[] {
  return entriesIn(directory)
    .filter((entry) => entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
    .map((entry) => join(directory, entry.name))
}

function holdsNextApp(directory: string, root: string): boolean {
  try {
    const manifest = readAppPackage(directory, root)
    return manifest !== undefined && isNextApp(directory, manifest)
  } catch {
    // Only for a suggestion: a broken package.json elsewhere in the repository must not fail the run.
    return false
  }
}
