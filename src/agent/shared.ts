/** `shared-dirs` and `shared-files`: paths of the release that live in `<path>/shared` and outlast releases. */
import { randomBytes } from 'node:crypto'
import { cp, lstat, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import type { Runtime } from '../protocol/messages.ts'
import { exists } from './files.ts'
import type { Layout } from './layout.ts'
import { assertOwnWay } from './trust.ts'

/**
 * Links the shared paths into a release that is being built. What the first release brings at such a path
 * becomes the shared content; later releases find the shared content and theirs is left out.
 *
 * @throws Failure `path-unsafe` when another user has put something in the way
 * @param directory the release
 * @param appFolder where server.js stands in it: the paths are relative to the app
 */
export async function linkShared(
  layout: Layout,
  directory: string,
  appFolder: string,
  paths: Pick<Runtime, 'sharedDirs' | 'sharedFiles'>,
): Promise<void> {
  for (const path of paths.sharedDirs) await linkOne(path, (target) => mkdir(target, { mode: 0o755 }))
  for (const path of paths.sharedFiles)
    await linkOne(path, (target) => writeFile(target, '', { mode: 0o600, flag: 'wx' }))

  async function linkOne(path: string, create: (target: string) => Promise<unknown>): Promise<void> {
    const inRelease = join(directory, appFolder, path)
    const target = join(layout.shared, path)
    assertOwnWay(layout.shared, path)
    const brought = await lstat(inRelease).catch(() => null)
    if (!(await exists(target))) {
      await mkdir(dirname(target), { recursive: true, mode: 0o755 })
      if (brought === null) {
        await create(target)
      } else {
        // Copied aside and renamed: the release's own files may be hard links to those of other releases. Under a
        // name that nobody can have put there before.
        await removeAsides(target)
        const aside = `${target}.${randomBytes(6).toString('hex')}`
        await cp(inRelease, aside, {
          recursive: true,
          verbatimSymlinks: true,
          errorOnExist: true,
          force: false,
        })
        await rename(aside, target)
      }
    }
    await rm(inRelease, { recursive: true, force: true })
    await mkdir(dirname(inRelease), { recursive: true, mode: 0o755 })
    const final = join(layout.releases, 'release', appFolder, dirname(path))
    await symlink(relative(final, target), inRelease)
  }
}

/** What a copy that was cut off has left. */
async function removeAsides(target: string): Promise<void> {
  const name = `${basename(target)}.`
  for (const each of await readdir(dirname(target))) {
    if (!each.startsWith(name) || !/^[0-9a-f]{12}$/.test(each.slice(name.length))) continue
    await rm(join(dirname(target), each), { recursive: true, force: true })
  }
}
