/** Restores missing or damaged entries of a release from other releases. */
import { lstat, realpath, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { hashFile } from '../../common/hash-file.ts'
import type { ManifestEntry, ManifestFile } from '../../protocol/manifest.ts'
import { copyAtomic, makeReadableFolder } from '../system/files.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { releaseIds } from './releases.ts'
import { contentKey } from './sources.ts'

/**
 * Restores entries of a release's manifest. A file is copied from the newest release that has its content;
 * links and folders need no source.
 * @param repair false: changes nothing
 * @returns the entries that were restored, or could be
 */
export async function repairEntries(
  layout: Layout,
  id: string,
  entries: readonly ManifestEntry[],
  repair: boolean,
): Promise<ReadonlySet<ManifestEntry>> {
  const directory = releaseDirectory(layout, id)
  const repaired = new Set<ManifestEntry>()
  const wanted = new Map<string, ManifestFile[]>()
  for (const entry of entries) {
    if (!(await staysInside(directory, entry.path))) continue
    if (entry.kind === 'file') {
      const key = contentKey(entry)
      wanted.set(key, [...(wanted.get(key) ?? []), entry])
    } else {
      if (!repair || (await putBack(join(directory, entry.path), entry))) repaired.add(entry)
    }
  }
  for (const other of [...(await releaseIds(layout))].reverse()) {
    if (wanted.size === 0) break
    for await (const { key, file } of filesOf(layout, other, wanted)) {
      for (const entry of wanted.get(key) ?? []) {
        if (!repair || (await putBack(join(directory, entry.path), entry, file))) repaired.add(entry)
      }
      wanted.delete(key)
    }
  }
  return repaired
}

/** Yields the files of a release whose content is wanted, and verified. */
async function* filesOf(
  layout: Layout,
  id: string,
  wanted: ReadonlyMap<string, unknown>,
): AsyncGenerator<{ readonly key: string; readonly file: string }, void, undefined> {
  const directory = releaseDirectory(layout, id)
  try {
    for await (const entry of readManifest(releaseFiles(directory).manifest)) {
      if (entry.kind !== 'file' || !wanted.has(contentKey(entry))) continue
      const file = join(directory, entry.path)
      if (await has(file, entry)) yield { key: contentKey(entry), file }
    }
  } catch {
    // A release whose manifest cannot be read has no verified files.
  }
}

async function has(file: string, { size, hash }: ManifestFile): Promise<boolean> {
  const stat = await lstat(file).catch(() => null)
  return stat?.isFile() === true && stat.size === size && (await hashFile(file, size)) === hash
}

/** @returns false where the disk, or what is in the entry's place, does not allow it */
async function putBack(path: string, entry: ManifestEntry, source = ''): Promise<boolean> {
  try {
    const stat = await lstat(path).catch(() => null)
    // A file is replaced by a rename: workers may be reading it.
    const replaceable = entry.kind === 'file' && stat?.isFile() === true
    if (stat !== null && !replaceable) await rm(path, { recursive: true, force: true })
    makeReadableFolder(entry.kind === 'directory' ? path : dirname(path))
    if (entry.kind === 'file') await copyAtomic(source, path, entry.mode)
    else if (entry.kind === 'link') await symlink(entry.target, path)
    return true
  } catch {
    return false
  }
}

/** Returns false where a link stands for a folder on the way: what is behind it does not belong to the release. */
async function staysInside(directory: string, path: string): Promise<boolean> {
  for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) {
    const real = await realpath(join(directory, folder)).catch(() => null)
    if (real !== null) return real === join(await realpath(directory), folder)
  }
  return true
}
