/** Apps of a repository whose root has the only package.json, with the dependencies of all: Nx's integrated layout. */
import { basename, join } from 'node:path'
import { isFile, readTextIfAny } from './files.ts'
import { type PackageJson, parseObject, readPackageJson } from './package-json.ts'
import { ancestors } from './paths.ts'

const CONFIGURATIONS = ['next.config.js', 'next.config.mjs', 'next.config.ts']

export const hasNextConfiguration = (directory: string): boolean =>
  CONFIGURATIONS.some((name) => isFile(join(directory, name)))

/**
 * The package.json that an app without its own takes its dependencies from. The name and the scripts in it are the
 * repository's, and are left out.
 *
 * @returns undefined where the folder has its own package.json, or no Next.js configuration
 */
export function sharedPackageJson(directory: string, workspace: string): PackageJson | undefined {
  if (!hasNextConfiguration(directory) || isFile(join(directory, 'package.json'))) return undefined
  const [shared] = ancestors(directory, workspace).flatMap((folder) => readPackageJson(folder) ?? [])
  if (shared?.installed.next === undefined) return undefined
  const { name: _, ...rest } = shared
  return { ...rest, scripts: {} }
}

/** The name under which Nx builds the app in a folder; undefined where Nx does not. */
export function nxProject(directory: string, workspace: string | undefined): string | undefined {
  const description = readTextIfAny(join(directory, 'project.json'))
  if (description === undefined) return undefined
  const root = ancestors(directory, workspace).find((folder) => isFile(join(folder, 'nx.json')))
  if (root === undefined || readPackageJson(root)?.installed.nx === undefined) return undefined
  const name = parseObject(description)?.name
  return typeof name === 'string' ? name : basename(directory)
}
