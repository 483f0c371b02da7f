/** Flushes what has arrived while more arrives. */
import { join } from 'node:path'
import type { ManifestFile } from '../../protocol/manifest.ts'
import { syncFile } from './files.ts'
import { inParallel } from './parallel.ts'
import { fileSystemSync, type SyncFileSystem } from './sync-file-system.ts'

export interface Flushing {
  /**
   * Starts to flush these files once those before them are flushed, and waits only for those before the last call: one
   * part is flushed while the next arrives. @throws the error of an earlier flush
   */
  add(files: readonly ManifestFile[]): Promise<void>
  /** Resolves once all files are flushed. @throws the error of a flush */
  done(): Promise<void>
}

export function startFlushing(directory: string): Flushing {
  const syncAll = fileSystemSync()
  let last: Promise<void> = Promise.resolve()
  let before = last
  return {
    async add(files) {
      await before
      before = last
      last = before.then(() => flush(directory, files, syncAll))
      last.catch(() => undefined)
    },
    done: () => last,
  }
}

/** From this many files on, the whole file system is flushed at once. */
const MANY_FILES = 200
/**
 * Flushing files one by one waits for the disk each time; this many at once share the wait. Node has four
 * threads for files: one stays free for decompression.
 */
const FLUSHED_AT_ONCE = 3

async function flush(
  directory: string,
  files: readonly ManifestFile[],
  syncAll: SyncFileSystem,
): Promise<void> {
  if (files.length >= MANY_FILES && (await syncAll(directory))) return
  await inParallel(files, FLUSHED_AT_ONCE, ({ path }) => syncFile(join(directory, path)))
}
