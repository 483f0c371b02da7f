/** Takes what a release has in common with what is on the server already, and proves each file of it. */
import { lstatSync } from 'node:fs'
import { rm, symlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { Bitmap } from '../../common/bitmap.ts'
import { fileHasher, type HashFile } from '../../common/hash-file.ts'
import type { ManifestEntry, ManifestFile } from '../../protocol/manifest.ts'
import { mayBeShared } from '../store/code.ts'
import { copyKeepingTime, tryLink } from '../system/files.ts'
import type { Flushing } from '../system/flush.ts'
import { inParallel } from '../system/parallel.ts'
import { folderMaker } from './receive.ts'
import type { Source } from '../store/sources.ts'

export interface SourcedEntry {
  readonly entry: ManifestEntry
  /** Among the manifest's files. */
  readonly index: number
  /** Where a file's content should be; null when it is sent. */
  readonly source: Source | null
}

export interface Reuse {
  /** The files that were not what they should be, in the manifest's order; they have to be sent after all. */
  readonly damaged: Promise<Bitmap>
  /** Bytes that have been proven so far. */
  provenBytes(): number
  /** Ends it early. */
  stop(): Promise<void>
}

/** Node has four threads for files; the hashing is done between their turns. */
const AT_ONCE = 8

/**
 * Begins at once, and goes on while other files still arrive: neither waits for the other.
 * @param flushing gets the files that are not on the disk yet
 */
export function startReuse(
  directory: string,
  distDir: string,
  entries: AsyncIterable<SourcedEntry>,
  flushing: Pick<Flushing, 'add'>,
): Reuse {
  const damaged = new Bitmap()
  const unflushed: ManifestFile[] = []
  const folder = folderMaker()
  const hashFile = fileHasher()
  // Of an upload that was cut off nobody knows what was flushed.
  const uploads = dirname(directory) + sep
  let stopped = false
  let provenBytes = 0

  const act = async ({ entry, index, source }: SourcedEntry) => {
    if (stopped) return
    const path = join(directory, entry.path)
    if (entry.kind === 'directory') return folder(path)
    folder(dirname(path))
    if (entry.kind === 'link') return symlink(entry.target, path)
    if (source === null) return
    const shares = sharesInode(entry, source, distDir)
    const taken = await reuseFile(hashFile, source.file, entry, path, shares)
    if (taken === null) return damaged.set(index)
    if (taken === 'copy' || source.file.startsWith(uploads)) unflushed.push(entry)
    provenBytes += entry.size
  }
  const done = inParallel(entries, AT_ONCE, act).then(async () => {
    if (!stopped) await flushing.add(unflushed)
    return damaged
  })
  // Who stops it does not wait for what is damaged.
  done.catch(() => undefined)
  return {
    damaged: done,
    provenBytes: () => provenBytes,
    async stop() {
      stopped = true
      await done.catch(() => undefined)
    },
  }
}

/**
 * Whether the new file is to be a hard link to its source. Both must be code: an empty module and an empty upload
 * have the same content.
 */
export function sharesInode(entry: ManifestFile, source: Source, distDir: string): boolean {
  return mayBeShared(entry.path, distDir) && mayBeShared(source.path, distDir)
}

/**
 * Takes a file from another release, and proves what it took: what no longer has the bytes of its manifest is
 * never a part of a new release. The file keeps its modification time, of which Next.js makes `Last-Modified` and
 * `ETag`.
 * @returns how it was taken; null: it is damaged or gone
 */
async function reuseFile(
  hashFile: HashFile,
  source: string,
  entry: ManifestFile,
  path: string,
  shares: boolean,
): Promise<'link' | 'copy' | null> {
  const stat = lstatSync(source, { throwIfNoEntry: false })
  if (!stat?.isFile() || stat.size !== entry.size) return null
  try {
    const linked = shares && (stat.mode & 0o777) === entry.mode && tryLink(source, path)
    if (!linked) await copyKeepingTime(source, path, entry.mode, stat)
    if ((await hashFile(path, entry.size)) === entry.hash) return linked ? 'link' : 'copy'
  } catch (error) {
    // It was removed meanwhile, by the cleanup of another deploy.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  await rm(path, { force: true })
  return null
}
