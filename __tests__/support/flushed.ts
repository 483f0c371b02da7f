/** What a power cut would keep: a cut itself cannot be had. */
import { readlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** What all file handles share. */
async function fileHandles(): Promise<FileHandle> {
  const handle = await open('/dev/null')
  await handle.close()
  return Object.getPrototypeOf(handle) as FileHandle
}

/** A disk that fails for some files, until that is ended. */
export async function unflushable(which: (path: string) => boolean): Promise<{ end(): void }> {
  const handles = await fileHandles()
  const { sync } = handles
  handles.sync = async function (this: FileHandle) {
    if (which(readlinkSync(`/proc/self/fd/${this.fd}`))) throw new Error('EIO: i/o error, fsync')
    await sync.call(this)
  }
  return { end: () => void (handles.sync = sync) }
}

/** @returns the paths, as they were then, of all that was flushed while the work was done */
export async function flushedBy(work: () => Promise<unknown>): Promise<readonly string[]> {
  const handles = await fileHandles()
  const { sync } = handles
  const flushed: string[] = []
  handles.sync = async function (this: FileHandle) {
    await sync.call(this)
    flushed.push(readlinkSync(`/proc/self/fd/${this.fd}`))
  }
  try {
    await work()
  } finally {
    handles.sync = sync
  }
  return flushed
}
