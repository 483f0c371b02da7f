/** Where the links of a release lead. The runner judged their text; only the server can resolve them. */
import { lstat, readlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import type { ManifestLink } from '../../protocol/manifest.ts'
import { readManifest } from './manifest-file.ts'

/** As many as the kernel follows. */
const MOST_LINKS = 40

/**
 * Resolves every link of a release before the release is renamed into place.
 * @param served folders that visitors can read, relative to the release: a link in one of them must stay in it
 * @throws Failure `symlink-escapes` naming the first link that leads out
 */
export async function assertLinksStay(
  directory: string,
  manifest: string,
  served: readonly string[],
): Promise<void> {
  for await (const entry of readManifest(manifest, () => false)) {
    if (entry.kind !== 'link' || (await isReplaced(directory, entry))) continue
    const folder = served.find((each) => entry.path.startsWith(`${each}/`)) ?? ''
    if (await staysIn(join(directory, folder), join(directory, entry.path))) continue
    const { path, target } = entry
    const named = folder === '' ? 'the release' : JSON.stringify(folder)
    throw failure('symlink-escapes', { path, target, folder: named })
  }
}

/** The path itself, or a folder above it, is a shared path. */
async function isReplaced(directory: string, { path, target }: ManifestLink): Promise<boolean> {
  return (await readlink(join(directory, path)).catch(() => null)) !== target
}

/** Whether a path stays in a folder, whatever links it leads through. A link to nothing inside the folder stays. */
async function staysIn(root: string, path: string): Promise<boolean> {
  let at = dirname(path)
  let rest = [path.slice(at.length + 1)]
  for (let links = 0; ;) {
    const [part, ...others] = rest
    if (part === undefined) return true
    rest = others
    if (part === '' || part === '.') continue
    if (part === '..') {
      if (at === root) return false
      at = dirname(at)
      continue
    }
    const next = join(at, part)
    const stat = await lstat(next).catch(() => null)
    if (stat === null) return !rest.includes('..')
    if (!stat.isSymbolicLink()) {
      at = next
      continue
    }
    links += 1
    const target = await readlink(next)
    if (links > MOST_LINKS || target.startsWith('/')) return false
    rest = [...target.split('/'), ...rest]
  }
}
