/** Yarn's Plug'n'Play, from which no standalone build can be made. */
import { join } from 'node:path'
import { failure } from '../common/errors/build.ts'
import { isFile, readTextIfAny } from './files.ts'
import { findPackageManager } from './package-manager-signs.ts'
import { ancestors } from './paths.ts'

/** @throws Failure `plug-n-play` */
export async function refusePlugNPlay(
  directory: string,
  workspace: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  // Yarn's files may be left over from an earlier package manager.
  const finding = await findPackageManager(directory, workspace)
  if (finding.kind === 'unclear' || (finding.kind === 'found' && finding.detected.name !== 'yarn')) return
  const folders = ancestors(directory, workspace)
  const loader = folders.map((folder) => join(folder, '.pnp.cjs')).find(isFile)
  const linker = env['YARN_NODE_LINKER'] ?? folders.map(nodeLinker).find((found) => found !== undefined)
  if (linker !== 'pnp' && (linker !== undefined || loader === undefined)) return
  throw failure('plug-n-play', { sign: loader ?? 'nodeLinker: pnp' })
}

/** Returns what .yarnrc.yml sets, or the default of Yarn 2 and later: Plug'n'Play. */
function nodeLinker(folder: string): string | undefined {
  const settings = readTextIfAny(join(folder, '.yarnrc.yml'))
  const set = /^nodeLinker:\s*["']?([\w-]+)/m.exec(settings ?? '')?.[1]
  if (set !== undefined) return set
  return /^__metadata:/m.test(readTextIfAny(join(folder, 'yarn.lock')) ?? '') ? 'pnp' : undefined
}
