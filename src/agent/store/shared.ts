/** `shared-dirs` and `shared-files`: paths of a release that live in `<path>/shared` and outlast releases. */
import { randomBytes } from 'node:crypto'
import { cp, lstat, mkdir, readdir, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import type { Runtime } from '../../protocol/messages.ts'
import { exists, syncFile, syncFolder } from '../system/files.ts'
import type { Layout } from './layout.ts'
import { inParallel } from '../system/parallel.ts'
import { assertOwnWay } from './trust.ts'

/**
 * Links the shared paths into a release that is being built. What the first release has at such a path becomes the
 * shared content; what later releases have there is left out.
 * @param appFolder the folder of server.js in the release: the paths are relative to the app
 * @returns the paths where something was left out that differs from the shared content
 * @throws Failure `path-unsafe` where another user has put something in the way
 * @throws Failure `shared-path-unusable` where a path is of the other kind, or leads out of the release
 */
export async function linkShared(
  layout: Layout,
  directory: string,
  appFolder: string,
  paths: Pick<Runtime, 'sharedDirs' | 'sharedFiles'>,
): Promise<readonly string[]> {
  const root = await realpath(directory)
  const leftOut: string[] = []
  for (const path of paths.sharedDirs) await linkOne(path, 'folder')
  for (const path of paths.sharedFiles) await linkOne(path, 'file')
  return leftOut

  async function linkOne(path: string, kind: Kind): Promise<void> {
    const parent = dirname(join(root, appFolder, path))
    await mkdir(parent, { recursive: true, mode: 0o755 })
    // A folder on the way may be a link inside the release: the new link is relative to the folder's real path.
    const real = await realpath(parent)
    assertInside(root, real, path)
    const inRelease = join(real, path.slice(path.lastIndexOf('/') + 1))
    const target = join(layout.shared, path)
    assertOwnWay(layout.shared, path)
    const brought = await realpath(inRelease).catch(() => null)
    if (brought !== null) {
      assertInside(root, brought, path)
      await assertKind(brought, kind, path, 'the build')
    }
    if (await exists(target)) {
      await assertKind(target, kind, path, layout.shared)
      if (brought !== null && (await differs(brought, target))) leftOut.push(path)
    } else {
      await mkdir(dirname(target), { recursive: true, mode: 0o755 })
      await create(brought, target, kind)
    }
    await rm(inRelease, { recursive: true, force: true })
    await symlink(relative(join(layout.releases, 'release', relative(root, real)), target), inRelease)
  }
}

type Kind = 'folder' | 'file'

async function create(brought: string | null, target: string, kind: Kind): Promise<void> {
  if (brought === null) {
    if (kind === 'folder') await mkdir(target, { recursive: true, mode: 0o755 })
    else await writeFile(target, '', { mode: 0o600, flag: 'wx' })
    return
  }
  // Copied, then renamed: the release's own files may be hard links to those of other releases. Modification
  // times are the same on all hosts, because Next.js derives `Last-Modified` and `ETag` from them. The
  // temporary name is random, so that nobody can have created it before.
  await removeAsides(target)
  const aside = `${target}.${randomBytes(6).toString('hex')}`
  const asItIs = { verbatimSymlinks: true, preserveTimestamps: true }
  await cp(brought, aside, { recursive: true, errorOnExist: true, force: false, ...asItIs })
  // Shared content is never sent again: an incomplete copy, after a power cut, would stay for ever.
  await syncTree(aside)
  await rename(aside, target)
  await syncFolder(dirname(target))
}

async function syncTree(path: string): Promise<void> {
  const stat = await lstat(path)
  if (stat.isFile()) return syncFile(path)
  if (!stat.isDirectory()) return
  const names = await readdir(path)
  await inParallel(names, FLUSHED_AT_ONCE, (name) => syncTree(join(path, name)))
  await syncFolder(path)
}

/** Flushing one by one waits for the disk each time. */
const FLUSHED_AT_ONCE = 16

/** Removes what an interrupted copy has left. */
async function removeAsides(target: string): Promise<void> {
  const name = `${basename(target)}.`
  for (const each of await readdir(dirname(target))) {
    if (!each.startsWith(name) || !/^[0-9a-f]{12}$/.test(each.slice(name.length))) continue
    await rm(join(dirname(target), each), { recursive: true, force: true })
  }
}

/** Whether the release has something that the shared content lacks, or has in another size. */
async function differs(brought: string, target: string): Promise<boolean> {
  const [here, there] = [await lstat(brought), await lstat(target).catch(() => null)]
  if (there?.isSymbolicLink()) return differs(brought, await realpath(target))
  if (!here.isDirectory()) return there?.isFile() !== true || there.size !== here.size
  if (there?.isDirectory() !== true) return true
  for (const name of await readdir(brought)) {
    if (await differs(join(brought, name), join(target, name))) return true
  }
  return false
}

/** A shared path may itself be the user's link to another disk. A link to nothing is neither a file nor a folder. */
async function assertKind(place: string, kind: Kind, path: string, where: string): Promise<void> {
  const stat = await lstat(await realpath(place).catch(() => place))
  if (kind === 'folder' ? stat.isDirectory() : stat.isFile()) return
  const input = kind === 'folder' ? 'shared-dirs' : 'shared-files'
  throw failure('shared-path-unusable', { input, path, kind, place: where })
}

function assertInside(root: string, real: string, path: string): void {
  if (real === root || real.startsWith(root + sep)) return
  throw failure('shared-path-unusable: link', { path })
}
