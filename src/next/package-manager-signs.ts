/** The signs of a package manager in a repository. A single sign may be left over from another package manager. */
import { basename, join } from 'node:path'
import { type Agent, detect, LOCKS } from 'package-manager-detector'
import { isFile } from './files.ts'
import { ancestors } from './paths.ts'

export type PackageManagerName = 'npm' | 'pnpm' | 'yarn' | 'bun'

export interface Detected {
  readonly name: PackageManagerName
  readonly agent: Agent
}

export interface Lockfile {
  readonly file: string
  readonly name: PackageManagerName
}

export type Finding =
  | { readonly kind: 'found'; readonly detected: Detected; readonly lockfile: string | undefined }
  /** Lockfiles of different package managers in one folder, and no sign which one is left over. */
  | { readonly kind: 'unclear'; readonly lockfiles: readonly Lockfile[] }
  /** `agent` as people know it, and the file that names it. */
  | { readonly kind: 'unsupported'; readonly agent: string; readonly file: string }
  | { readonly kind: 'none' }

/**
 * Weighs all signs from the app's folder up to the workspace. The nearest folder with a lockfile counts. There
 * `packageManager` (else `devEngines`) decides if its lockfile exists, then the only lockfile, then what is installed.
 * A sign of an unsupported package manager counts only where there is no other.
 */
export async function findPackageManager(directory: string, workspace: string | undefined): Promise<Finding> {
  const folders = ancestors(directory, workspace)
  const levels = await Promise.all(folders.map(signsIn))
  const declared = levels.flatMap((level) => level.declared ?? [])
  const found = ({ name, file }: Lockfile): Finding => ({
    kind: 'found',
    detected: declared.find((each) => each.name === name) ?? { name, agent: name },
    lockfile: file,
  })

  for (const [index, level] of levels.entries()) {
    const fromHere = levels.slice(index)
    const reachable = fromHere.flatMap(({ lockfiles }) => lockfiles)
    const own = reachable.find(({ name }) => name === level.declared?.name)
    if (own !== undefined) return found(own)
    const { lockfiles } = level
    if (lockfiles.length === 0) continue
    const namedAbove = fromHere.flatMap((above) =>
      lockfiles.filter(({ name }) => name === above.declared?.name),
    )
    const chosen =
      theOnly(lockfiles) ??
      theOnly(lockfiles.filter(({ name }) => isInstalled(name, folders))) ??
      namedAbove[0]
    return chosen === undefined ? { kind: 'unclear', lockfiles } : found(chosen)
  }
  const [hint] = [...declared, ...levels.flatMap(({ hinted }) => hinted ?? [])]
  if (hint !== undefined) return { kind: 'found', detected: hint, lockfile: undefined }
  const [unsupported] = levels.flatMap((level) => level.unsupported)
  return unsupported === undefined ? { kind: 'none' } : { kind: 'unsupported', ...unsupported }
}

interface Signs {
  /** What package.json names, where it is supported. */
  readonly declared: Detected | undefined
  readonly lockfiles: readonly Lockfile[]
  /** Files of a package manager that are not lockfiles. */
  readonly hinted: Detected | undefined
  readonly unsupported: readonly { readonly agent: string; readonly file: string }[]
}

const NAMES: readonly string[] = ['npm', 'pnpm', 'yarn', 'bun'] satisfies readonly PackageManagerName[]

async function signsIn(folder: string): Promise<Signs> {
  const named = await detect({
    cwd: folder,
    stopDir: folder,
    strategies: ['packageManager-field', 'devEngines-field'],
  })
  const files = Object.entries(LOCKS)
    .map(([file, name]) => ({ file: join(folder, file), name: name as string }))
    .filter(({ file }) => isFile(file))
  const supported = files.filter((sign): sign is Lockfile => NAMES.includes(sign.name))
  // pnpm-workspace.yaml names pnpm, and is no lockfile.
  const isLockfile = ({ file }: Lockfile) => !basename(file).includes('-workspace.')
  const hint = supported.find((sign) => !isLockfile(sign))
  const rush = join(folder, 'rush.json')
  return {
    declared: named !== null && isSupported(named) ? named : undefined,
    lockfiles: supported.filter(isLockfile),
    hinted: hint && { name: hint.name, agent: hint.name },
    unsupported: [
      ...(isFile(rush) ? [{ agent: 'Rush', file: rush }] : []),
      ...files.filter(({ name }) => !NAMES.includes(name)).map(({ file, name }) => ({ agent: name, file })),
      ...(named !== null && !isSupported(named)
        ? [{ agent: named.agent, file: join(folder, 'package.json') }]
        : []),
    ],
  }
}

function isSupported(named: { name: string; agent: Agent }): named is Detected {
  return NAMES.includes(named.name)
}

/** What an installation leaves behind; bun leaves nothing of its own. */
const TRACES: Readonly<Record<PackageManagerName, readonly string[]>> = {
  npm: ['node_modules/.package-lock.json'],
  pnpm: ['node_modules/.modules.yaml'],
  yarn: ['node_modules/.yarn-integrity', 'node_modules/.yarn-state.yml'],
  bun: [],
}

function isInstalled(name: PackageManagerName, folders: readonly string[]): boolean {
  return folders.some((folder) => TRACES[name].some((trace) => isFile(join(folder, trace))))
}

/** The lockfile, where all belong to one package manager. */
function theOnly(lockfiles: readonly Lockfile[]): Lockfile | undefined {
  return new Set(lockfiles.map(({ name }) => name)).size === 1 ? lockfiles[0] : undefined
}
