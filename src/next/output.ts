import { statSync } from 'node:fs'
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { Failure } from '../common/failure.ts'
import { entriesIn, isDirectory, isFile, readTextIfAny } from './files.ts'
import { asObject, type PackageJson, parseObject, readPackageJson } from './package-json.ts'
import { ancestors, isInside } from './paths.ts'

/** What `next build` left behind, verified to be there. */
export interface BuildOutput {
  /** The app's folder, absolute. */
  readonly directory: string
  /** Next.js's `distDir`, relative to the app's folder: `.next`, or such as `../../dist/apps/web/.next`. */
  readonly distDir: string
  /** The app's place in the standalone tree: empty, or such as `apps/web` in a monorepo. */
  readonly relativeAppDir: string
  /** undefined when no installed Next.js could be found to tell. */
  readonly nextVersion: string | undefined
  /** The versions of Node.js that this Next.js asks for, as in its `engines`. */
  readonly nextNodeRange: string | undefined
  /** `/docs`, or empty. */
  readonly basePath: string
  /** server.js relative to the release's root, with forward slashes. */
  readonly entry: string
  readonly standaloneDirectory: string
  readonly staticDirectory: string
  /** Where the static files stand in the release, relative to its root, with forward slashes. */
  readonly staticPath: string
  readonly publicDirectory: string | undefined
  /** BUILD_ID. Next.js 16 with a deployment id makes it the same for every build: it identifies no release. */
  readonly buildId: string
  /** When it was finished, in ms since the epoch. */
  readonly builtAt: number
  /** When it had begun at the latest: Next.js writes BUILD_ID before it renders pages (14.2, 15.5, 16.4). */
  readonly begunBy: number
  /** The app's folder when it was built, on whatever machine that was. */
  readonly builtIn: string | undefined
}

/**
 * Reads and verifies the output of `next build` (seen with Next.js 14.2, 15.5 and 16.4).
 *
 * @param directory the app's folder, absolute
 * @param workspace the repository's folder: `distDir` may lie anywhere in it, as Nx has it
 * @throws Failure `no-build-output`, `output-export`, `build-failed`, `file-unreadable`
 */
export function readBuildOutput(directory: string, workspace: string = directory): BuildOutput {
  const files = findServerFiles(directory, workspace)
  const server = newestOf(directory, files)
  if (server === undefined) {
    throw new Failure('no-build-output', `There is no finished Next.js build of ${directory}.`, {
      remedy:
        'Remove `build-command: none`, or build the app into this folder in a step before; ' +
        'if build-command is yours, it must run `next build`.',
      evidence: [
        `searched for ${SERVER_FILES} in ${workspace}`,
        ...files.map((file) => `not of this app: ${file}`),
      ].join('\n'),
    })
  }
  if (server.output === 'export') throw outputIsExport()
  const { distDir, relativeAppDir, basePath } = server
  if (posix.join(relativeAppDir, distDir).startsWith('../')) throw outsideOfTree(distDir)
  const distDirectory = join(directory, distDir)
  const standaloneDirectory = join(distDirectory, 'standalone')
  const entry = posix.join(relativeAppDir, 'server.js')
  if (server.output !== 'standalone' || !isFile(join(standaloneDirectory, entry))) {
    throw noStandalone(`${join(distDirectory, 'standalone', entry)} is missing`, server.output)
  }
  const staticDirectory = join(distDirectory, 'static')
  if (!isDirectory(staticDirectory)) throw incomplete(staticDirectory)
  const buildIdFile = join(distDirectory, 'BUILD_ID')
  const buildId = readTextIfAny(buildIdFile)
  if (buildId === undefined) throw incomplete(buildIdFile)
  const publicDirectory = join(directory, 'public')
  const next = nextPackage(standaloneDirectory, relativeAppDir, directory)
  return {
    directory,
    distDir,
    relativeAppDir,
    nextVersion: next?.version,
    nextNodeRange: next?.nodeRange,
    basePath,
    entry,
    standaloneDirectory,
    staticDirectory,
    staticPath: posix.join(relativeAppDir, distDir, 'static'),
    publicDirectory: isDirectory(publicDirectory) ? publicDirectory : undefined,
    buildId: buildId.trim(),
    builtAt: server.writtenAt,
    begunBy: Math.min(server.writtenAt, statSync(buildIdFile).mtimeMs),
    builtIn: server.appDir,
  }
}

function outputIsExport(): Failure {
  return new Failure('output-export', "The app is built with `output: 'export'`.", {
    remedy:
      'A static export has no server, so there is nothing for PM2 to run: remove `output` from the Next.js ' +
      'configuration, or serve the exported folder with a web server such as nginx.',
  })
}

function noStandalone(what: string, output: string | undefined): Failure {
  return new Failure('build-failed', `The build has no standalone server: ${what}.`, {
    remedy:
      "Set `output: 'standalone'` in the Next.js configuration, or let the build see the environment variable " +
      'NEXT_PRIVATE_STANDALONE=true: Turborepo hides it unless turbo.json lists it in `env`.',
    evidence: `output in required-server-files.json: ${output ?? '(not set)'}`,
  })
}

/** Next.js writes its part of the standalone tree beside it then. */
function outsideOfTree(distDir: string): Failure {
  return new Failure(
    'build-failed',
    `The build has its \`distDir\` outside of the standalone server: "${distDir}".`,
    {
      remedy:
        'Set `outputFileTracingRoot` in the Next.js configuration to the root of the repository, which has both the app ' +
        'and its `distDir`, or set `distDir` to a folder of the app.',
    },
  )
}

function incomplete(path: string): Failure {
  return new Failure('build-failed', `The build is incomplete: ${path} is missing.`, {
    remedy:
      'Build again; if the build comes from another job, bring over its whole distDir, hidden files too.',
  })
}

interface ServerFiles {
  readonly distDir: string
  readonly relativeAppDir: string
  readonly output: string | undefined
  readonly basePath: string
  readonly appDir: string | undefined
  readonly writtenAt: number
}

const SERVER_FILES = 'required-server-files.json'

/**
 * A custom distDir is known only to the user's configuration, which is a program. So this looks for the file
 * that a finished build has in it; several are left when distDir was changed, and the newest counts.
 */
function newestOf(directory: string, files: readonly string[]): ServerFiles | undefined {
  return files
    .map((file) => readServerFiles(directory, file))
    .filter((server) => server !== undefined)
    .toSorted((a, b) => b.writtenAt - a.writtenAt)[0]
}

/** Copies of the file lie in `standalone`, and none of these holds a distDir. */
const NOT_SEARCHED: ReadonlySet<string> = new Set(['node_modules', 'standalone', 'cache', '.git'])

function findServerFiles(directory: string, workspace: string): readonly string[] {
  return [...new Set([...searched(directory, 4), ...(workspace === directory ? [] : searched(workspace, 6))])]
}

function searched(directory: string, depth: number): readonly string[] {
  return entriesIn(directory).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isFile()) return entry.name === SERVER_FILES ? [path] : []
    const search = entry.isDirectory() && depth > 0 && !NOT_SEARCHED.has(entry.name)
    return search ? searched(path, depth - 1) : []
  })
}

function readServerFiles(directory: string, file: string): ServerFiles | undefined {
  const content = parseObject(readTextIfAny(file) ?? '')
  const config = asObject(content?.config)
  if (typeof content?.relativeAppDir !== 'string' || typeof config?.distDir !== 'string') return undefined
  // The build of another app further down is not this app's.
  if (resolve(directory, config.distDir) !== dirname(file)) return undefined
  const { relativeAppDir } = content
  if (!isInside(directory, resolve(directory, relativeAppDir))) return undefined
  // Outside of the app's folder the path of `distDir` is the same for all apps beside this one.
  const isOwn = isInside(directory, file) || `${directory}${sep}`.endsWith(`${sep}${relativeAppDir}${sep}`)
  if (!isOwn && relativeAppDir !== '') return undefined
  return {
    distDir: relative(directory, dirname(file)),
    relativeAppDir,
    output: typeof config.output === 'string' ? config.output : undefined,
    basePath: typeof config.basePath === 'string' ? config.basePath : '',
    appDir: typeof content.appDir === 'string' ? content.appDir : undefined,
    writtenAt: statSync(file).mtimeMs,
  }
}

/** The Next.js that the release will run; pnpm and npm put it in different places of a monorepo's tree. */
function nextPackage(standalone: string, relativeAppDir: string, directory: string): PackageJson | undefined {
  const roots = [join(standalone, relativeAppDir), standalone, ...ancestors(directory)]
  return roots
    .map((root) => readPackageJson(join(root, 'node_modules/next')))
    .find((next) => next?.version !== undefined)
}
