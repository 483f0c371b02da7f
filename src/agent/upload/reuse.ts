/** Reuses files that other releases on the server have, and verifies each. */
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
  /** Among the files of the manifest. */
  readonly index: number
  /** The file to reuse; null: the content is sent. */
  readonly source: Source | null
}

export interface Reuse {
  /** The files whose source was damaged, in the manifest's order: they must be sent after all. */
  readonly damaged: Promise<Bitmap>
  /** Bytes verified so far. */
  provenBytes(): number
  /** Stops early. */
  stop(): Promise<void>
}

/** Node has four threads for files; the hashing happens between their turns. */
const AT_ONCE = 8

/** Starts at once, and runs while other files still arrive. @param flushing gets the files that are not flushed yet */
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
  // It is unknown which files of an interrupted upload were flushed.
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
  // Callers that stop early do not wait for `damaged`.
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

/** Whether the new file becomes a hard link. Both must be code: an empty module and an empty upload are the same. */
export function sharesInode(entry: ManifestFile, source: Source, distDir: string): boolean {
  return mayBeShared(entry.path, distDir) && mayBeShared(source.path, distDir)
}

/**
 * Takes a file from another release, with its modification time, and verifies the copy: a file that no longer has the
 * bytes of its manifest never becomes part of a new release.
 * @returns how the file was taken; null: it is damaged or gone
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
    // The cleanup of another deploy removed it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  await rm(path, { force: true })
  return null
}
