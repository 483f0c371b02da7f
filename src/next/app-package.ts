/** Repositories in which the root's package.json has the dependencies of the apps below: Nx's layout, and others. */
import { basename, join } from 'node:path'
import { isFile, readTextIfAny } from './files.ts'
import { type PackageJson, parseObject, readPackageJson } from './package-json.ts'
import { ancestors } from './paths.ts'

export const NEXT_CONFIGURATIONS = ['next.config.js', 'next.config.mjs', 'next.config.ts']

export const hasNextConfiguration = (directory: string): boolean =>
  NEXT_CONFIGURATIONS.some((name) => isFile(join(directory, name)))

/**
 * The package.json of an app, with the dependencies that it takes from above. An app without a package.json of its
 * own has neither the name nor the scripts of the one above: those are the repository's.
 * @returns undefined where the folder has no package.json, and is no app that could do without
 */
export function readAppPackage(directory: string, workspace: string): PackageJson | undefined {
  const own = readPackageJson(directory)
  if (own?.installed.next !== undefined || !hasNextConfiguration(directory)) return own
  const above = ancestors(directory, workspace)
    .slice(1)
    .map((folder) => readPackageJson(folder))
    .find((manifest) => manifest?.installed.next !== undefined)
  if (above === undefined) return own
  const { name: _, ...nameless } = above
  return {
    ...(own ?? { ...nameless, scripts: {} }),
    dependencies: { ...above.dependencies, ...own?.dependencies },
    installed: { ...above.installed, ...own?.installed },
  }
}

export interface NxProject {
  readonly name: string
  readonly root: string
}

/** What Nx calls the app in a folder; undefined where Nx does not build it. */
export function nxProject(directory: string, workspace: string | undefined): NxProject | undefined {
  const description = readTextIfAny(join(directory, 'project.json'))
  if (description === undefined) return undefined
  const root = ancestors(directory, workspace).find((folder) => isFile(join(folder, 'nx.json')))
  if (root === undefined || readPackageJson(root)?.installed.nx === undefined) return undefined
  const name = parseObject(description)?.name
  return { name: typeof name === 'string' ? name : basename(directory), root }
}
