/** Takes what a release shares with what is on the server already, and proves each file of it. */
import { lstatSync } from 'node:fs'
import { rm, symlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { Bitmap } from '../content/bitmap.ts'
import { fileHasher, type HashFile } from '../content/hash-file.ts'
import { isWritableAtRunTime, LAUNCHER, type ManifestEntry, type ManifestFile } from '../protocol/manifest.ts'
import { copyAtomic, syncFile, tryLink } from './files.ts'
import { inParallel } from './parallel.ts'
import { folderMaker } from './receive.ts'

export interface Placed {
  readonly entry: ManifestEntry
  /** Among the manifest's files. */
  readonly index: number
  /** Where a file's content should be; null when it is sent. */
  readonly source: string | null
}

export interface Placement {
  /** The files that were not what they should be, in the manifest's order; they have to be sent after all. */
  readonly damaged: Promise<Bitmap>
  /** Bytes that have been proven so far. */
  provenBytes(): number
  /** Ends it early. */
  stop(): Promise<void>
}

/** Node has four threads for files; the hashing is done between their turns. */
const AT_ONCE = 8

/** Begins at once, and goes on while other files still arrive: neither waits for the other. */
export function place(directory: string, distDir: string, entries: AsyncIterable<Placed>): Placement {
  const damaged = new Bitmap()
  const folder = folderMaker()
  const hashFile = fileHasher()
  // Of an upload that was cut off nobody knows what was flushed.
  const uploads = dirname(directory) + sep
  let stopped = false
  let provenBytes = 0

  const act = async ({ entry, index, source }: Placed) => {
    if (stopped) return
    const path = join(directory, entry.path)
    if (entry.kind === 'directory') return folder(path)
    folder(dirname(path))
    if (entry.kind === 'link') return symlink(entry.target, path)
    if (source === null) return
    // Of launchers each release has its own: a damaged one is put back from another.
    const copy = isWritableAtRunTime(entry.path, distDir) || entry.path === LAUNCHER
    if (await reuse(hashFile, source, entry, path, copy)) {
      if (source.startsWith(uploads)) await syncFile(path)
      provenBytes += entry.size
    } else damaged.set(index)
  }
  const done = inParallel(entries, AT_ONCE, act).then(() => damaged)
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
 * Takes a file from another release, and proves what it took: what no longer has the bytes of its manifest is
 * never a part of a new release. Hard links cost nothing, but what a running app may write is copied: Next 14
 * overwrites ISR pages in place.
 */
async function reuse(
  hashFile: HashFile,
  source: string,
  entry: ManifestFile,
  path: string,
  copy: boolean,
): Promise<boolean> {
  const stat = lstatSync(source, { throwIfNoEntry: false })
  if (!stat?.isFile() || stat.size !== entry.size) return false
  try {
    const linked = !copy && (stat.mode & 0o777) === entry.mode && tryLink(source, path)
    if (!linked) await copyAtomic(source, path, entry.mode)
    if ((await hashFile(path, entry.size)) === entry.hash) return true
  } catch (error) {
    // It was removed meanwhile, by the cleanup of another deploy.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  await rm(path, { force: true })
  return false
}
