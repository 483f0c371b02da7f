/** Proves that a release is what arrived, long after it did. */
import { lstat, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileHasher } from '../content/hash-file.ts'
import { Failure } from '../protocol/failure.ts'
import { isWritableAtRunTime, type ManifestEntry } from '../protocol/manifest.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { readInfo, readRuntime } from './releases.ts'

/**
 * Proves the release's manifest by its hash, and the release by its manifest. Files that a running Next.js may write
 * must be there, and shared paths lead out of the release; all others must have the bytes that arrived.
 * @throws Failure `release-damaged` naming the first path that does not match
 */
export async function auditRelease(
  layout: Layout,
  id: string,
  alive: () => void = () => undefined,
): Promise<{ files: number; bytes: number }> {
  const directory = releaseDirectory(layout, id)
  const { manifest } = releaseFiles(directory)
  const { entry: server, distDir, contentHash } = await readInfo(layout, id)
  const { sharedDirs, sharedFiles } = await readRuntime(layout, id)
  const app = server.slice(0, server.lastIndexOf('/') + 1)
  const shared = [...sharedDirs, ...sharedFiles].map((path) => app + path)
  const hashFile = fileHasher()
  const damaged = (path: string, what: string) =>
    new Failure('release-damaged', `the release in ${directory} is damaged: ${path} ${what}`, {
      remedy: 'It cannot go live as it is. Deploy its commit again, or choose another release.',
    })

  const assertWhole = async (entry: ManifestEntry): Promise<void> => {
    const path = join(directory, entry.path)
    const stat = await lstat(path).catch(() => null)
    if (stat === null) throw damaged(entry.path, 'is missing')
    if (entry.kind === 'link') {
      if (!stat.isSymbolicLink() || (await readlink(path)) !== entry.target)
        throw damaged(entry.path, 'was changed')
    } else if (entry.kind === 'file' && !isWritableAtRunTime(entry.path, distDir)) {
      const same =
        stat.isFile() && stat.size === entry.size && (await hashFile(path, entry.size)) === entry.hash
      if (!same) throw damaged(entry.path, 'was changed')
    }
  }

  let files = 0
  let bytes = 0
  try {
    // A shorter manifest would prove less.
    if ((await hashFile(manifest)) !== contentHash) throw damaged('its manifest', 'was changed')
    for await (const entry of readManifest(manifest)) {
      if (shared.some((path) => entry.path === path || entry.path.startsWith(`${path}/`))) continue
      await assertWhole(entry)
      alive()
      if (entry.kind !== 'file') continue
      files += 1
      bytes += entry.size
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw damaged('its manifest', 'is missing')
    throw error
  }
  return { files, bytes }
}
