import { existsSync, realpathSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { failure } from '../common/errors/build.ts'
import type { Failure } from '../common/failure.ts'
import { readAppPackage } from './app-package.ts'
import { emptySubmodules } from './checkout.ts'
import { refuseCustomServer } from './custom-server.ts'
import { isFile } from './files.ts'
import { findNextApps, isNextApp, isNxRoot } from './find-apps.ts'
import { readPackageJson } from './package-json.ts'
import { ancestors, isInside } from './paths.ts'
import { refuseUnsupportedNext } from './supported.ts'

/** `engines.node` of a package.json. */
export interface NodeRange {
  readonly range: string
  /** The file, relative to the repository. */
  readonly file: string
}

export interface Project {
  /** The app's folder, absolute. */
  readonly directory: string
  /** `name` in package.json, with its scope if it has one. */
  readonly name?: string
  /** The version of Next.js that package.json asks for, as written there (`^16.0.0`, `catalog:`). */
  readonly nextRange: string
  /** The Node.js versions that the app and the roots of its workspaces require. */
  readonly nodeRanges: readonly NodeRange[]
  readonly doubts: readonly string[]
}

/**
 * Finds the Next.js app inside the repository.
 * @param workingDirectory the `working-directory` input, relative to the workspace (or absolute and inside it)
 * @throws Failure `outside-workspace`, `no-package-json`, `invalid-package-json`, `not-a-next-app`, `next-unsupported`,
 *   `custom-server`
 */
export function readProject(workspace: string, workingDirectory: string): Project {
  const directory = resolve(workspace, workingDirectory)
  if (!isInside(workspace, directory) || !staysInside(workspace, directory)) {
    throw failure('outside-workspace', { given: workingDirectory, workspace })
  }
  const noApp = (key: keyof typeof WITH_OTHER_APPS): Failure => {
    const apps = findNextApps(workspace, 2)
    const place = { given: workingDirectory, apps: apps.join(', ') }
    return failure(apps.length === 0 ? key : WITH_OTHER_APPS[key], place)
  }
  const manifest = readAppPackage(directory, workspace)
  if (manifest === undefined) {
    if (emptySubmodules(workspace).some((path) => isInside(path, directory)))
      throw failure('no-package-json: submodule', { given: workingDirectory })
    throw noApp('no-package-json')
  }
  const nextRange = manifest.installed.next
  if (typeof nextRange !== 'string') throw noApp('not-a-next-app')
  if (isNxRoot(directory, manifest)) throw noApp('not-a-next-app: Nx')
  if (!isNextApp(directory, manifest)) throw noApp('not-a-next-app: development')
  refuseUnsupportedNext(nextRange)
  const doubts = refuseCustomServer(directory, workspace, manifest)
  const { name } = manifest
  return {
    directory,
    nextRange,
    doubts,
    ...(name === undefined ? {} : { name }),
    nodeRanges: nodeRangesOf(directory, workspace),
  }
}

/** The same failure where the repository has apps elsewhere. */
const WITH_OTHER_APPS = {
  'no-package-json': 'no-package-json: other apps',
  'not-a-next-app': 'not-a-next-app: other apps',
  'not-a-next-app: Nx': 'not-a-next-app: Nx, other apps',
  'not-a-next-app: development': 'not-a-next-app: development, other apps',
} as const

function nodeRangesOf(directory: string, workspace: string): readonly NodeRange[] {
  const folders = ancestors(directory, workspace)
  const nearest = folders.find((folder) => isFile(join(folder, 'package.json')))
  return folders.flatMap((folder) => {
    const manifest = readPackageJson(folder)
    const governs = folder === nearest || manifest?.hasWorkspaces || isFile(join(folder, PNPM_WORKSPACE))
    if (manifest?.nodeRange === undefined || !governs) return []
    return [{ range: manifest.nodeRange, file: relative(workspace, join(folder, 'package.json')) }]
  })
}

const PNPM_WORKSPACE = 'pnpm-workspace.yaml'

/** Whether a folder is in the workspace after following symbolic links. A missing folder is judged elsewhere. */
function staysInside(workspace: string, directory: string): boolean {
  return !existsSync(directory) || isInside(realpathSync(workspace), realpathSync(directory))
}
