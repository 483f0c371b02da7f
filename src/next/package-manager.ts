import { basename, dirname, join } from 'node:path'
import { failure } from '../common/errors/build.ts'
import type { Failure } from '../common/failure.ts'
import { nxProject } from './app-package.ts'
import type { Command } from './command.ts'
import { isFile, readTextIfAny } from './files.ts'
import { readPackageJson } from './package-json.ts'
import { findPackageManager, type Lockfile, type PackageManagerName } from './package-manager-signs.ts'

interface Commands {
  readonly lockfiles: readonly string[]
  readonly install: readonly string[]
  readonly run: readonly string[]
  /** Runs a program of an installed package. None of these downloads a missing one. */
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

/**
 * Returns the command that installs exactly what the lockfile says, or fails, in the folder of the lockfile.
 * @param workspace where the search ends: a lockfile above the repository is not the app's
 * @throws Failure `no-lockfile`, `package-manager-unclear`, `unsupported-package-manager`, `invalid-package-json`
 */
export async function detectInstallCommand(directory: string, workspace?: string): Promise<Command> {
  const finding = await findPackageManager(directory, workspace)
  if (finding.kind === 'unsupported') throw unsupported(finding)
  if (finding.kind === 'unclear') throw unclear(finding.lockfiles)
  const { name, agent } = finding.kind === 'found' ? finding.detected : NPM
  const { lockfiles, install } = COMMANDS[name]
  const lockfile = finding.kind === 'found' ? finding.lockfile : undefined
  if (lockfile === undefined) {
    throw failure('no-lockfile', { names: lockfiles.join(' or '), directory, manager: name })
  }
  const berry = agent === 'yarn@berry' || (name === 'yarn' && isBerry(lockfile))
  return { argv: berry ? BERRY_INSTALL : install, directory: dirname(lockfile) }
}

const NPM = { name: 'npm', agent: 'npm' } as const

/**
 * Returns the command that builds the app: the `build` script, else Nx where it has the app as a project, else
 * `next build`. It needs no lockfile. Where the package manager is unclear, npm runs what is installed.
 * @throws Failure `unsupported-package-manager`, `invalid-package-json`
 */
export async function detectBuildCommand(directory: string, workspace?: string): Promise<Command> {
  const finding = await findPackageManager(directory, workspace)
  if (finding.kind === 'unsupported') throw unsupported(finding)
  return buildCommand(directory, workspace, finding.kind === 'found' ? finding.detected.name : 'npm')
}

function buildCommand(directory: string, workspace: string | undefined, name: PackageManagerName): Command {
  const { run, execute } = COMMANDS[name]
  if (readPackageJson(directory)?.scripts.build) return { argv: [...run, 'build'], directory }
  const project = nxProject(directory, workspace)
  if (project === undefined) return { argv: [...execute, 'next', 'build'], directory }
  // Nx's cache knows nothing of the environment, and so would bring back a build without standalone output. Its
  // executor for Next.js takes paths from the working directory (20.0).
  return { argv: [...execute, 'nx', 'build', project.name, '--skip-nx-cache'], directory: project.root }
}

function unsupported({ agent, file }: { agent: string; file: string }): Failure {
  return failure('unsupported-package-manager', { manager: agent, file })
}

function unclear(lockfiles: readonly Lockfile[]): Failure {
  const names = lockfiles.map(({ file }) => JSON.stringify(basename(file)))
  const folder = dirname(lockfiles[0]!.file)
  return failure('package-manager-unclear', { folder, names: names.join(', ') })
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
