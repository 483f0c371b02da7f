/** Which files of a release the server has, which it lacks, and how much disk space the release needs. */
import { dirname } from 'node:path'
import { Bitmap } from '../../common/bitmap.ts'
import type { ManifestEntry } from '../../protocol/manifest.ts'
import { type SourcedEntry, sharesInode } from './reuse.ts'
import { addFile, type Need } from '../system/disk-space.ts'
import type { SourceOf } from '../store/sources.ts'

export async function findMissing(entries: AsyncIterable<SourcedEntry>, distDir: string) {
  /** Indexes among the files of the manifest. */
  const missing = new Bitmap()
  const need: Need = { bytes: 0, inodes: 0 }
  const folders = new Set<string>()
  let reusedBytes = 0
  for await (const { entry, index, source } of entries) {
    folders.add(dirname(entry.path))
    if (entry.kind !== 'file') {
      need.inodes += 1
    } else if (source === null) {
      missing.set(index)
      addFile(need, entry.size)
    } else {
      if (!sharesInode(entry, source, distDir)) addFile(need, entry.size)
      reusedBytes += entry.size
    }
  }
  need.inodes += folders.size
  return { missing, need, reusedBytes }
}

export async function* withSources(
  entries: AsyncIterable<ManifestEntry> | Iterable<ManifestEntry>,
  sourceOf: SourceOf,
): AsyncGenerator<SourcedEntry, void, undefined> {
  let index = 0
  for await (const entry of entries) {
    yield { entry, index, source: entry.kind === 'file' ? sourceOf(entry) : null }
    if (entry.kind === 'file') index += 1
  }
}
