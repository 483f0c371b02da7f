/** The package managers, from npm's registry, since a machine seldom has them all. */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
/** Kept from run to run, ignored by git. */
const cache = join(import.meta.dirname, '..', '..', '.cache', 'package-managers')

export type PackageManagerKind = 'npm' | 'pnpm' | 'yarn classic' | 'yarn berry' | 'bun'

interface Tool {
  /** As npm installs it. */
  readonly package: string
  readonly version: string
  /** The programs' names, and their files below node_modules. */
  readonly programs: Readonly<Record<string, string>>
}

const bun = `@oven/bun-linux-${process.arch === 'arm64' ? 'aarch64' : 'x64-baseline'}`

const TOOLS: Readonly<Record<Exclude<PackageManagerKind, 'npm'>, Tool>> = {
  pnpm: { package: 'pnpm', version: '10.34.8', programs: { pnpm: 'pnpm/bin/pnpm.cjs' } },
  'yarn classic': { package: 'yarn', version: '1.22.22', programs: { yarn: 'yarn/bin/yarn.js' } },
  'yarn berry': {
    package: '@yarnpkg/cli-dist',
    version: '4.18.1',
    programs: { yarn: '@yarnpkg/cli-dist/bin/yarn.js' },
  },
  // Its npm package fetches the program in an install script; the program is a package as well.
  bun: { package: bun, version: '1.4.5', programs: { bun: `${bun}/bin/bun` } },
}

/** The version that `installTools` brings; npm is the machine's. */
export const toolVersion = (kind: PackageManagerKind) => (kind === 'npm' ? '' : TOOLS[kind].version)

/**
 * The environment of a job in which corepack is to bring the package manager that package.json names, or undefined
 * where there is no corepack.
 */
export async function corepackEnvironment(): Promise<Environment | undefined> {
  const found = await run('corepack', ['--version']).catch(() => undefined)
  if (found === undefined) return undefined
  const { stdout } = await run('npm', ['config', 'get', 'registry'])
  const registry = stdout.trim().replace(/\/$/, '')
  const home = join(cache, 'corepack')
  mkdirSync(home, { recursive: true })
  // Else Yarn's program, which is CommonJS, would be below a package.json that says module: this repository's.
  writeFileSync(join(home, 'package.json'), '{}')
  return {
    ...(await environment()),
    COREPACK_HOME: home,
    COREPACK_NPM_REGISTRY: registry,
    PATH: process.env['PATH'] ?? '',
  }
}

type Environment = Readonly<Record<string, string>>

/** Yarn 2 and later read neither npm's configuration nor its variables. */
async function environment(): Promise<Environment> {
  const { stdout } = await run('npm', ['config', 'get', 'registry'])
  const { NODE_EXTRA_CA_CERTS: authorities } = process.env
  return {
    YARN_NPM_REGISTRY_SERVER: stdout.trim(),
    YARN_ENABLE_TELEMETRY: '0',
    ...(authorities === undefined ? {} : { NODE_EXTRA_CA_CERTS: authorities }),
  }
}

/** @returns the environment that has the package manager on its PATH */
export async function installTools(kind: PackageManagerKind): Promise<Environment> {
  const path = process.env['PATH'] ?? ''
  const common = await environment()
  if (kind === 'npm') return { ...common, PATH: path }
  const { package: name, version, programs } = TOOLS[kind]
  const folder = join(cache, `${kind.replace(' ', '-')}-${version}`)
  const bin = join(folder, 'bin')
  if (!existsSync(bin)) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{"private":true}')
    await run('npm', ['install', '--silent', '--ignore-scripts', `${name}@${version}`], { cwd: folder })
    mkdirSync(bin)
    for (const [program, file] of Object.entries(programs)) {
      const target = join(folder, 'node_modules', file)
      chmodSync(target, 0o755)
      symlinkSync(target, join(bin, program))
    }
  }
  return { ...common, PATH: `${bin}:${path}` }
}

const LOCK: Readonly<Record<PackageManagerKind, readonly string[]>> = {
  npm: ['npm', 'install', '--package-lock-only', '--ignore-scripts', '--silent'],
  pnpm: ['pnpm', 'install', '--lockfile-only', '--silent'],
  'yarn classic': ['yarn', 'install', '--ignore-scripts', '--silent'],
  'yarn berry': ['yarn', 'install', '--mode=update-lockfile'],
  bun: ['bun', 'install', '--lockfile-only', '--silent'],
}

/** Makes the lockfile of the project in a folder. */
export async function lock(
  kind: PackageManagerKind,
  folder: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  if (kind === 'yarn berry') writeFileSync(join(folder, '.yarnrc.yml'), 'nodeLinker: node-modules\n')
  const [program = '', ...args] = LOCK[kind]
  await run(program, args, { cwd: folder, env: { ...process.env, ...env, CI: '' } })
  rmSync(join(folder, 'node_modules'), { recursive: true, force: true })
}
