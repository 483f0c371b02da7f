import { existsSync, realpathSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { Failure } from '../common/failure.ts'
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
  /** The versions of Node.js that the app and the roots of its workspaces ask for. */
  readonly nodeRanges: readonly NodeRange[]
  /** What speaks against deploying it, and is no proof: one sentence each to warn of. */
  readonly doubts: readonly string[]
}

/**
 * Finds the Next.js app inside the repository.
 *
 * @param workspace the repository's folder, absolute
 * @param workingDirectory the `working-directory` input, relative to the workspace (or absolute and inside it)
 * @throws Failure `outside-workspace`, `no-package-json`, `invalid-package-json`, `not-a-next-app`, `next-unsupported`,
 *   `custom-server`
 */
export function readProject(workspace: string, workingDirectory: string): Project {
  const directory = resolve(workspace, workingDirectory)
  if (!isInside(workspace, directory) || !staysInside(workspace, directory)) {
    throw new Failure(
      'outside-workspace',
      `working-directory is ${quote(workingDirectory)}, which is outside the repository (${workspace}).`,
      { remedy: 'Give the folder of the Next.js app, relative to the root of the repository.' },
    )
  }
  const manifest = readAppPackage(directory, workspace)
  if (manifest === undefined) {
    throw new Failure('no-package-json', `There is no package.json in ${describe(workingDirectory)}.`, {
      remedy: emptySubmodules(workspace).some((path) => isInside(path, directory))
        ? 'The folder belongs to an empty submodule: set `submodules: recursive` under `with:` of the step with actions/checkout.'
        : suggest(workspace, 'Check out the repository before this step (actions/checkout)'),
    })
  }
  const nextRange = manifest.installed.next
  if (typeof nextRange !== 'string') {
    throw new Failure(
      'not-a-next-app',
      `The package.json in ${describe(workingDirectory)} has no \`next\` in its dependencies.`,
      { remedy: suggest(workspace, 'Add `next` to the dependencies') },
    )
  }
  if (isNxRoot(directory, manifest)) {
    throw new Failure(
      'not-a-next-app',
      `The package.json in ${describe(workingDirectory)} has the dependencies of an Nx repository, and the folder itself is no Next.js app.`,
      { remedy: suggest(workspace, 'Check that the app has a next.config') },
    )
  }
  if (!isNextApp(directory, manifest)) {
    throw new Failure(
      'not-a-next-app',
      `The package.json in ${describe(workingDirectory)} has \`next\` in its devDependencies only, and the folder has no \`app\` or \`pages\` folder, no next.config and no script that runs \`next\`.`,
      { remedy: suggest(workspace, 'If this is an app, move `next` to the dependencies') },
    )
  }
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

/** Whether a folder is in the workspace after following symbolic links; a missing one is judged elsewhere. */
function staysInside(workspace: string, directory: string): boolean {
  return !existsSync(directory) || isInside(realpathSync(workspace), realpathSync(directory))
}

function describe(workingDirectory: string): string {
  return `the folder that working-directory names (${quote(workingDirectory)})`
}

function quote(value: string): string {
  return JSON.stringify(value)
}

function suggest(workspace: string, otherwise: string): string {
  const apps = findNextApps(workspace, 2)
  if (apps.length === 0) return `${otherwise}, or set working-directory to the folder of the Next.js app.`
  return `Set working-directory to a folder with a Next.js app. Found here: ${apps.join(', ')}.`
}
