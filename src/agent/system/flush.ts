/** Makes what came last through a power cut, while more comes. */
import { join } from 'node:path'
import type { ManifestFile } from '../../protocol/manifest.ts'
import { syncFile } from './files.ts'
import { inParallel } from './parallel.ts'
import { fileSystemSync, type SyncFileSystem } from './sync-file-system.ts'

export interface Flushing {
  /**
   * Begins with these files once those before them are flushed, and waits for those before the last: so one part is
   * flushed while another one arrives, and no more wait than that.
   * @throws what flushing earlier ones has failed with
   */
  add(files: readonly ManifestFile[]): Promise<void>
  /** Once all are flushed. @throws what flushing them has failed with */
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

/** From here on the file system is flushed as a whole. */
const MANY_FILES = 200
/**
 * Flushing files one by one waits for the disk each time; this many at once share the wait. Node has four threads for
 * files: one is left to unpack what comes meanwhile.
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
