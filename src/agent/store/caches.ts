/**
 * The caches of a release while somebody tests it. Pages that were rendered for a test must not be served to visitors, so
 * the files are put back as they were uploaded.
 */
import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import type { ManifestFile } from '../../protocol/manifest.ts'
import { copyKeepingTime } from '../system/files.ts'
import { startFlushing } from '../system/flush.ts'
import { cacheFolders, distDirOf, isCacheOfNext } from './code.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { readInfo } from './releases.ts'
import { inShared } from './written.ts'

/**
 * Copies the files that Next.js may write at run time. Shared paths are left alone: they are the live release's too.
 * @returns what puts the copies back, and removes what was written beside them; call it once nothing runs there any more
 */
export async function keepCaches(
  layout: Layout,
  id: string,
  alive: () => void = () => undefined,
): Promise<() => Promise<void>> {
  const directory = releaseDirectory(layout, id)
  const { manifest, caches } = releaseFiles(directory)
  const distDir = distDirOf(await readInfo(layout, id))
  const isShared = await inShared(layout, id)
  await rm(caches, { recursive: true, force: true })
  const kept = new Map<string, ManifestFile>()
  for await (const entry of readManifest(manifest)) {
    if (entry.kind !== 'file' || !isCacheOfNext(entry.path, distDir) || isShared(entry.path)) continue
    const source = join(directory, entry.path)
    const copy = join(caches, entry.path)
    await mkdir(dirname(copy), { recursive: true, mode: 0o700 })
    await copyKeepingTime(source, copy, entry.mode, await lstat(source))
    kept.set(entry.path, entry)
    alive()
  }

  /** Never follows a link. */
  async function removeWritten(folder: string): Promise<void> {
    const entries = await readdir(join(directory, folder), { withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const path = posix.join(folder, entry.name)
      if (isShared(path)) continue
      if (entry.isDirectory()) await removeWritten(path)
      else if (isCacheOfNext(path, distDir) && !kept.has(path))
        await rm(join(directory, path), { force: true })
    }
  }

  return async () => {
    // As the upload did: a power cut must not leave half of a page.
    const flushing = startFlushing(caches)
    await flushing.add([...kept.values()])
    await flushing.done()
    for (const folder of cacheFolders(distDir)) {
      if (!isShared(folder) && (await isFolder(join(directory, folder)))) await removeWritten(folder)
    }
    for (const path of kept.keys()) {
      await mkdir(dirname(join(directory, path)), { recursive: true, mode: 0o755 })
      await rename(join(caches, path), join(directory, path))
      alive()
    }
    await rm(caches, { recursive: true, force: true })
  }
}

async function isFolder(path: string): Promise<boolean> {
  const stat = await lstat(path).catch(() => null)
  return stat?.isDirectory() === true
}
