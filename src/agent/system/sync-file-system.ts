/** Flushes a whole file system: for very many files this costs far less than flushing each. */
import { execFile } from 'node:child_process'
import { statfs } from 'node:fs/promises'
import { release } from 'node:os'

/** The names that `statfs` gives ext2 to 4, XFS and btrfs. */
const KNOWN = new Set([0xef53, 0x58465342, 0x9123683e])
/** In ms. On a disk with many other writers it would take longer. */
const LIMIT = 20_000

/**
 * Flushes a folder's file system, where the kernel is known to report a failing disk: Linux does from 5.8 on,
 * and GNU's `sync` passes the error on, busybox's does not.
 * @returns false where that is not known, and where it failed or took too long
 */
export type SyncFileSystem = (folder: string) => Promise<boolean>

/** The server's `sync` does not change. */
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
      // Throws where the process could not be started at all.
      done(null)
    }
  })
}
