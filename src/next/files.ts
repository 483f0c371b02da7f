/** Reads files of the user's repository, where anything may be in the place of a file or a folder. */
import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileUnreadable } from '../common/file-unreadable.ts'

export function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile()
}

export function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory()
}

/**
 * @returns undefined where there is no file: nothing, a link to nothing, or something else, such as a folder
 * @throws Failure `file-unreadable`
 */
export function readTextIfAny(path: string): string | undefined {
  try {
    // Reading a named pipe would block.
    if (!statSync(path).isFile()) return undefined
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw fileUnreadable(path, error)
  }
}

/** @throws Failure `file-unreadable` */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw fileUnreadable(path, error)
  }
}

/** Returns the entries of a folder; none where it is no folder or cannot be read. */
export function entriesIn(directory: string): readonly Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
}

/** Whether a file system error says that the path does not exist. */
function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOENT' || code === 'ENOTDIR'
}
