import { dirname, join } from 'node:path'
import { detect, type Agent } from 'package-manager-detector'
import { Failure } from '../protocol/failure.ts'
import { isFile, readTextIfAny } from './files.ts'
import { readPackageJson } from './package-json.ts'
import { ancestors } from './paths.ts'

export type PackageManagerName = 'npm' | 'pnpm' | 'yarn' | 'bun'

export interface PackageManager {
  readonly name: PackageManagerName
  /** The name with its generation where that changes the commands, such as `yarn@berry`. */
  readonly agent: Agent
  /** Where the lockfile is: the app's folder, or the root of the workspace it belongs to. */
  readonly lockfileDirectory: string
  /** Installs exactly what the lockfile says, or fails. As argv, to run in `lockfileDirectory`. */
  readonly installCommand: readonly string[]
  /** Builds the app. As argv, to run in the app's folder. */
  readonly runCommand: readonly string[]
}

interface Commands {
  readonly lockfiles: readonly string[]
  readonly install: readonly string[]
  readonly run: readonly string[]
  /** Runs a program of an installed package. None of these downloads one that is missing. */
  readonly execute: readonly string[]
}

const COMMANDS: Readonly<Record<PackageManagerName, Commands>> = {
  npm: {
    lockfiles: ['package-lock.json', 'npm-shrinkwrap.json'],
    install: ['npm', 'ci'],
    run: ['npm', 'run'],
    execute: ['npx', '--no'],
  },
  pnpm: {
    lockfiles: ['pnpm-lock.yaml'],
    install: ['pnpm', 'install', '--frozen-lockfile'],
    run: ['pnpm', 'run'],
    execute: ['pnpm', 'exec'],
  },
  yarn: {
    lockfiles: ['yarn.lock'],
    install: ['yarn', 'install', '--frozen-lockfile'],
    run: ['yarn', 'run'],
    execute: ['yarn', 'run'],
  },
  bun: {
    lockfiles: ['bun.lock', 'bun.lockb'],
    install: ['bun', 'install', '--frozen-lockfile'],
    run: ['bun', 'run'],
    execute: ['bun', 'run'],
  },
}

/** Yarn 2 and later renamed the flag. */
const BERRY_INSTALL: readonly string[] = ['yarn', 'install', '--immutable']

interface Detected {
  readonly name: PackageManagerName
  readonly agent: Agent
}

/**
 * Finds the app's package manager: from its lockfile, or from `packageManager` or `devEngines` in package.json.
 *
 * @param directory the app's folder, absolute; the search goes up from here
 * @param workspace where the search ends: a lockfile above the repository is not the app's
 * @throws Failure `no-lockfile`, `unsupported-package-manager`, `invalid-package-json`
 */
export async function detectPackageManager(directory: string, workspace?: string): Promise<PackageManager> {
  const found = await detectAgent(directory, workspace)
  const name = found?.name ?? 'npm'
  const { lockfiles, install } = COMMANDS[name]
  const lockfile = findUpwards(directory, workspace, lockfiles)
  if (lockfile === undefined) {
    throw new Failure(
      'no-lockfile',
      `There is no lockfile (${lockfiles.join(' or ')}) in ${directory} or in a folder above it.`,
      {
        remedy:
          `Run \`${name} install\` and commit the lockfile, so that the build uses the versions you tested. ` +
          'Otherwise set install-command, or install in a step of your own and set install-command to none.',
      },
    )
  }
  const lockfileDirectory = dirname(lockfile)
  const agent = found?.agent ?? name
  const berry = agent === 'yarn@berry' || (name === 'yarn' && isBerry(lockfile))
  return {
    name,
    agent: berry ? 'yarn@berry' : agent,
    lockfileDirectory,
    installCommand: berry ? BERRY_INSTALL : install,
    runCommand: buildCommand(directory, name),
  }
}

/**
 * The command that builds the app: the `build` script, else `next build` through the package manager.
 * Unlike an installation it needs no lockfile.
 *
 * @throws Failure `unsupported-package-manager`, `invalid-package-json`
 */
export async function detectBuildCommand(directory: string, workspace?: string): Promise<readonly string[]> {
  const found = await detectAgent(directory, workspace)
  return buildCommand(directory, found?.name ?? 'npm')
}

function buildCommand(directory: string, name: PackageManagerName): readonly string[] {
  const { run, execute } = COMMANDS[name]
  return readPackageJson(directory)?.scripts.build ? [...run, 'build'] : [...execute, 'next', 'build']
}

async function detectAgent(directory: string, workspace: string | undefined): Promise<Detected | undefined> {
  const found = await detect({ cwd: directory, ...(workspace === undefined ? {} : { stopDir: workspace }) })
  if (found === null) return undefined
  const { name, agent } = found
  // Rush reads as pnpm but installs with commands of its own.
  if (!isSupported(name) || agent === 'pnpm-rush') {
    throw new Failure('unsupported-package-manager', `The package manager of ${directory} is ${agent}.`, {
      remedy:
        'npm, pnpm, yarn and bun are found by themselves. For any other, set install-command and build-command.',
    })
  }
  return { name, agent }
}

function isSupported(name: string): name is PackageManagerName {
  return name in COMMANDS
}

/**
 * Whether a yarn.lock is Yarn 2's or later. package-manager-detector 1.9.0 calls every yarn.lock classic when
 * package.json has no `packageManager` field.
 */
function isBerry(lockfile: string): boolean {
  const text = readTextIfAny(lockfile) ?? ''
  if (/^# yarn lockfile v1$/m.test(text)) return false
  return /^__metadata:/m.test(text) || isFile(join(dirname(lockfile), '.yarnrc.yml'))
}

function findUpwards(
  directory: string,
  workspace: string | undefined,
  names: readonly string[],
): string | undefined {
  return ancestors(directory, workspace)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isFile)
}
