/** Whether a build belongs to this project and these sources: `build-command: none` uses an existing build. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { failure } from '../common/errors/build.ts'
import { NEXT_CONFIGURATIONS } from './app-package.ts'
import { entriesIn } from './files.ts'
import type { BuildOutput } from './output.ts'
import { readPackageJson } from './package-json.ts'
import { installedNextVersion } from './supported.ts'

/**
 * Returns warnings about a build, one sentence each. None is proof: files get their times when they are checked
 * out or unpacked, not when they are written.
 * @param buildBegan when this run started to build, in ms since the epoch; undefined when it did not
 * @throws Failure `foreign-build` when it is the build of another app
 */
export function doubtsAbout(output: BuildOutput, buildBegan: number | undefined): readonly string[] {
  const { directory } = output
  const built = readPackageJson(join(output.standaloneDirectory, output.relativeAppDir))
  const here = readPackageJson(directory)
  if (built?.name !== undefined && here?.name !== undefined && built.name !== here.name) {
    throw failure('foreign-build', { directory, built: built.name, app: here.name })
  }
  if (buildBegan !== undefined) {
    return output.builtAt < buildBegan - CLOCK_GRAIN_MS
      ? ['The build command wrote no new build: the build is older than this run.']
      : []
  }
  const installed = installedNextVersion(directory)
  const isOfAnother =
    installed !== undefined && output.nextVersion !== undefined && installed !== output.nextVersion
  const doubts = [
    output.builtIn !== undefined &&
      output.builtIn !== directory &&
      existsSync(output.builtIn) &&
      `The build was made in another folder of this machine, ${output.builtIn}.`,
    isOfAnother && `The build is of Next.js ${output.nextVersion}, and ${installed} is installed.`,
    built !== undefined &&
      here !== undefined &&
      !isDeepStrictEqual(built.installed, here.installed) &&
      'The dependencies in package.json have changed since the build.',
    isOlderThanSources(output) && 'Some of the sources have changed since the build.',
  ]
  return doubts.filter((doubt) => doubt !== false)
}

/** File systems keep times to the second at worst, some to two. */
const CLOCK_GRAIN_MS = 2000

/** Some sources are newer than the build and some older. If all were checked out later, their times say nothing. */
function isOlderThanSources({ directory, builtAt }: BuildOutput): boolean {
  const times = SOURCES.flatMap((name) => timesBelow(join(directory, name)))
  return times.some((time) => time > builtAt + CLOCK_GRAIN_MS) && times.some((time) => time <= builtAt)
}

const SOURCES = [
  'app',
  'pages',
  'src',
  'components',
  'lib',
  ...NEXT_CONFIGURATIONS,
  'middleware.js',
  'middleware.ts',
  'proxy.js',
  'proxy.ts',
  '.env',
  '.env.production',
  'package.json',
]

function timesBelow(path: string): readonly number[] {
  if (!existsSync(path)) return []
  const stats = statSync(path)
  if (!stats.isDirectory()) return [stats.mtimeMs]
  return entriesIn(path).flatMap((entry) =>
    entry.isSymbolicLink() || entry.name === 'node_modules' ? [] : timesBelow(join(path, entry.name)),
  )
}
