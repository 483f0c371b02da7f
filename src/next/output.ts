import { statSync } from 'node:fs'
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { failure } from '../common/errors/build.ts'
import type { Failure } from '../common/failure.ts'
import { entriesIn, isDirectory, isFile, readTextIfAny } from './files.ts'
import { asObject, parseObject } from './package-json.ts'
import { ancestors, isInside } from './paths.ts'
import { nextIn } from './supported.ts'

export interface BuildOutput {
  /** The app's folder, absolute. */
  readonly directory: string
  /** Next.js's `distDir`, relative to the app's folder: `.next`, or such as `../../dist/apps/web/.next`. */
  readonly distDir: string
  /** The app's folder in the standalone tree: empty, or such as `apps/web` in a monorepo. */
  readonly relativeAppDir: string
  /** undefined when no installed Next.js was found. */
  readonly nextVersion: string | undefined
  /** The Node.js versions that this Next.js requires in its `engines`. */
  readonly nextNodeRange: string | undefined
  /** `/docs`, or empty. */
  readonly basePath: string
  /** server.js relative to the release's root, with forward slashes. */
  readonly entry: string
  readonly standaloneDirectory: string
  readonly staticDirectory: string
  /** The folder of the static files, relative to the release's root, with forward slashes. */
  readonly staticPath: string
  readonly publicDirectory: string | undefined
  /** BUILD_ID. With a deployment id Next.js 16 makes it the same for every build: it does not identify a release. */
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
 * @param directory the app's folder, absolute
 * @param workspace the repository's folder: `distDir` may be anywhere in it, as with Nx
 * @throws Failure `no-build-output`, `output-export`, `build-failed`, `file-unreadable`
 */
export function readBuildOutput(directory: string, workspace: string = directory): BuildOutput {
  const files = findServerFiles(directory, workspace)
  const server = newestOf(directory, files)
  if (server === undefined) {
    const seen = files.map((file) => `not of this app: ${file}`)
    const evidence = [`searched for ${SERVER_FILES} in ${workspace}`, ...seen].join('\n')
    throw failure('no-build-output', { directory }, { evidence })
  }
  const { distDir, relativeAppDir, basePath, output } = server
  if (output === 'export') throw failure('output-export')
  // Next.js would write its part of the standalone tree beside it.
  if (posix.join(relativeAppDir, distDir).startsWith('../')) {
    throw failure('build-failed: distDir', { distDir })
  }
  const distDirectory = join(directory, distDir)
  const standaloneDirectory = join(distDirectory, 'standalone')
  const entry = posix.join(relativeAppDir, 'server.js')
  const path = join(standaloneDirectory, entry)
  if (output !== 'standalone' || !isFile(path)) {
    const evidence = `output in ${SERVER_FILES}: ${output ?? '(not set)'}`
    throw failure('build-failed: no standalone', { path }, { evidence })
  }
  const staticDirectory = join(distDirectory, 'static')
  if (!isDirectory(staticDirectory)) throw incomplete(staticDirectory)
  const buildIdFile = join(distDirectory, 'BUILD_ID')
  const buildId = readTextIfAny(buildIdFile)
  if (buildId === undefined) throw incomplete(buildIdFile)
  const publicDirectory = join(directory, 'public')
  // pnpm and npm put it in different places of a monorepo's tree.
  const roots = [join(standaloneDirectory, relativeAppDir), standaloneDirectory]
  const next = nextIn([...roots, ...ancestors(directory)])
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

function incomplete(path: string): Failure {
  return failure('build-failed: incomplete', { path })
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
 * A custom distDir is known only to the user's configuration, which is a program. So this searches for the file
 * that a finished build contains. If distDir was changed several are left, and the newest counts.
 */
function newestOf(directory: string, files: readonly string[]): ServerFiles | undefined {
  return files
    .map((file) => readServerFiles(directory, file))
    .filter((server) => server !== undefined)
    .toSorted((a, b) => b.writtenAt - a.writtenAt)[0]
}

/** `standalone` has copies of the file, and none of these folders holds a distDir. */
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
  // The build of another app below this one.
  if (resolve(directory, config.distDir) !== dirname(file)) return undefined
  const { relativeAppDir } = content
  if (!isInside(directory, resolve(directory, relativeAppDir))) return undefined
  // Outside of the app's folder `distDir` has the same path for all apps beside this one.
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
