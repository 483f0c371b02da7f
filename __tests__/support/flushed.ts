/** What a power cut would keep: a cut itself cannot be had. */
import { readlinkSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'

/** @returns the paths, as they were then, of all that was flushed while the work was done */
export async function flushedBy(work: () => Promise<unknown>): Promise<readonly string[]> {
  const handle = await open('/dev/null')
  const handles = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
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
