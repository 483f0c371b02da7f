/** File operations that survive a power cut: written aside, flushed, renamed into place. */
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

/** Writes a file so that it is there whole or not at all. */
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

/** @param write makes the file aside, and flushes it */
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

/** Makes what a file has last through a power cut. */
export async function syncFile(file: string): Promise<void> {
  await withFile(file, constants.O_RDONLY, 0, (handle) => handle.sync())
}

/** False where a file cannot have another name: another file system, too many links, the kernel's own rules. */
export function tryLink(source: string, path: string): boolean {
  try {
    // At once: it takes less time than a turn of the event loop.
    linkSync(source, path)
    return true
  } catch {
    return false
  }
}

/** Copies a file's content and modification time so that the file is there whole or not at all. */
export function copyAtomic(source: string, path: string, mode: number): Promise<void> {
  return placeAtomic(path, async (aside) => {
    await copyKeepingTime(source, aside, mode, await lstat(source))
    await syncFile(aside)
  })
}

/**
 * Copies a file's content and modification time, without flushing them. Where the file system can (XFS, btrfs), both
 * files use the same blocks until one of them is written.
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

/** For others to read as well. */
const READABLE = 0o755

/**
 * Makes a folder of a release, and what is missing on the way, for others to read as well, whatever the umask is at
 * that moment. At once: it takes less time than a turn of the event loop.
 */
export function makeReadableFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: READABLE })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = dirname(made)) {
    const { mode } = statSync(made)
    // A group that is handed down stays.
    if ((mode & READABLE) !== READABLE) chmodSync(made, (mode & 0o7777) | READABLE)
  }
}

/** Makes a rename or a new entry in a folder last through a power cut. */
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

/** The file's text, or null where there is none. Other errors are thrown. */
export async function readIfThere(file: string): Promise<string | null> {
  return readFile(file, 'utf8').catch(whenMissing(null))
}

export async function linkTarget(link: string): Promise<string | null> {
  return readlink(link).catch(whenMissing(null))
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(() => true, whenMissing(false))
}

/** The path itself, or the folder above it that is there. */
export function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path))
}

function whenMissing<T>(fallback: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return fallback
    throw error
  }
}

/** A name of its own in the same folder, so that the rename stays on one file system. */
function besideOf(file: string): string {
  return join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`)
}
