/** File operations that survive a power cut: write to a temporary name, flush, rename. */
import { chmodSync, constants, existsSync, linkSync, mkdirSync, type Stats, statSync } from 'node:fs'
import {
  chmod,
  copyFile,
  type FileHandle,
  lstat,
  open,
  readFile,
  readlink,
  rename,
  rm,
  utimes,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { randomBytes } from 'node:crypto'

/** Writes a file completely or not at all. */
export async function writeFileAtomic(file: string, content: string | Buffer, mode: number): Promise<void> {
  await placeAtomic(file, (aside) =>
    withFile(aside, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode, async (handle) => {
      await handle.chmod(mode)
      await handle.writeFile(content)
      await handle.sync()
    }),
  )
  await syncFolder(dirname(file))
}

/** @param write creates the temporary file and flushes it */
async function placeAtomic(file: string, write: (aside: string) => Promise<void>): Promise<void> {
  const aside = besideOf(file)
  try {
    await write(aside)
    await rename(aside, file)
  } catch (error) {
    await rm(aside, { force: true })
    throw error
  }
}

/** Flushes a file, so that it survives a power cut. */
export async function syncFile(file: string): Promise<void> {
  await withFile(file, constants.O_RDONLY, 0, (handle) => handle.sync())
}

/** Returns false where a file cannot have a second name: another file system, too many links, the kernel's rules. */
export function tryLink(source: string, path: string): boolean {
  try {
    // Synchronous: it takes less time than a turn of the event loop.
    linkSync(source, path)
    return true
  } catch {
    return false
  }
}

/** Copies a file's content and modification time, completely or not at all. */
export function copyAtomic(source: string, path: string, mode: number): Promise<void> {
  return placeAtomic(path, async (aside) => {
    await copyKeepingTime(source, aside, mode, await lstat(source))
    await syncFile(aside)
  })
}

/**
 * Copies a file's content and modification time without flushing. Where the file system can (XFS, btrfs), both
 * files share their blocks until one of them is written.
 */
export async function copyKeepingTime(
  source: string,
  path: string,
  mode: number,
  { mtimeMs }: Pick<Stats, 'mtimeMs'>,
): Promise<void> {
  await copyFile(source, path, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  await chmod(path, mode)
  await utimes(path, mtimeMs / 1000, mtimeMs / 1000)
}

const READABLE = 0o755

/**
 * Creates a folder of a release, with its parents, readable by others whatever the umask is. Synchronous: it
 * takes less time than a turn of the event loop.
 */
export function makeReadableFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: READABLE })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    const { mode } = statSync(made)
    // Keeps an inherited group (setgid).
    if ((mode & READABLE) !== READABLE) chmodSync(made, (mode & 0o7777) | READABLE)
  }
}

/** Flushes a folder, so that a rename or a new entry in it survives a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await syncFile(folder)
}

export async function withFile<T>(
  file: string,
  flags: number,
  mode: number,
  use: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await open(file, flags, mode)
  try {
    return await use(handle)
  } finally {
    await handle.close()
  }
}

/** Returns the file's text, or null where the file does not exist. Throws other errors. */
export async function readIfThere(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch(whenMissing(null))
}

export async function linkTarget(link: string): Promise<string | null> {
  return readlink(link).catch(whenMissing(null))
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(() => true, whenMissing(false))
}

/** Returns the path itself, or the nearest folder above it that exists. */
export function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path))
}

function whenMissing<T>(fallback: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return fallback
    throw error
  }
}

/** Returns a temporary name in the same folder, so that the rename stays on one file system. */
function besideOf(file: string): string {
  return join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`)
}
