/** Flushing very many files: the whole file system at once costs far less than one by one. */
import { execFile } from 'node:child_process'
import { statfs } from 'node:fs/promises'
import { release } from 'node:os'

/** ext2 to 4, XFS, btrfs: what `statfs` calls them. */
const KNOWN = new Set([0xef53, 0x58465342, 0x9123683e])
/** In ms: where others write much, it is not waited for. */
const LIMIT = 20_000

/**
 * Makes all that was written on a folder's file system last through a power cut, where that is known to tell of a disk
 * that fails: Linux tells from 5.8 on, GNU's `sync` passes it on, busybox's does not.
 * @returns false where nobody knows, and where it failed or took too long
 */
export type SyncFileSystem = (folder: string) => Promise<boolean>

/** Asks only once what the server's `sync` is. */
export function fileSystemSync(): SyncFileSystem {
  let isGnu: Promise<boolean> | undefined
  return async (folder) => {
    if (!kernelTells(release()) || !KNOWN.has((await statfs(folder)).type)) return false
    isGnu ??= output(['--version']).then((version) => version?.includes('GNU coreutils') === true)
    return (await isGnu) && (await output(['-f', folder])) !== null
  }
}

function kernelTells(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 5 || (major === 5 && minor >= 8)
}

/** What `sync` prints; null when it fails. */
function output(args: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LIMIT, null)
    const done = (text: string | null) => {
      clearTimeout(timer)
      resolve(text)
    }
    try {
      execFile('sync', args, { env: process.env }, (error, text) => done(error === null ? text : null))
    } catch {
      // What hinders a process from being started at all is thrown.
      done(null)
    }
  })
}
