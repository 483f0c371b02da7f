/**
 * Files of lines, `1`, `2`, … in one folder, of which the newest counts: everybody appends to it, and reads on from where
 * he stopped. Synchronous throughout: one line is one call to the kernel.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'

export interface NumberedFile {
  readonly fd: number
  readonly number: number
  readonly inode: number
  /** How far it has been read. */
  offset: number
  /** The beginning of a line that had no end yet. */
  rest: Buffer
  /** Its last line was read. */
  closed: boolean
  /** Why nothing can be added to it; null: it can. */
  readonly refused: unknown
}

/** Longer than every line: what follows is none. In bytes. */
const LONGEST_LINE = 8 * 1024
const NEWLINE = 10
const NOTHING = Buffer.alloc(0)
const READ_ONLY: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM'])
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } = constants
const buffer = Buffer.allocUnsafe(64 * 1024)

/** The newest file's number; null where there is none. */
export function newestIn(folder: string): number | null {
  const numbers = readdirSync(folder).flatMap((name) => (/^[1-9]\d{0,14}$/.test(name) ? [Number(name)] : []))
  return numbers.length === 0 ? null : Math.max(...numbers)
}

/**
 * Opens a file, and makes it where it is the first and may be written. Never follows a link.
 *
 * @returns null where it is gone: a later one is there
 * @throws what the system says, and where it is no file
 */
export function openNumbered(folder: string, number: number, mayWrite: boolean): NumberedFile | null {
  const path = join(folder, String(number))
  const flags = mayWrite ? O_RDWR | O_APPEND | (number === 1 ? O_CREAT : 0) : O_RDONLY
  let fd
  let refused: unknown = null
  try {
    fd = openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, 0o600)
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return null
    if (!READ_ONLY.has(code)) throw error
    fd = openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    refused = error
  }
  const stat = fstatSync(fd)
  if (!stat.isFile()) {
    closeSync(fd)
    throw new Error(`"${path}" is not a file`)
  }
  return { fd, number, inode: stat.ino, offset: 0, rest: NOTHING, closed: false, refused }
}

/** Reads on to the end, or to what `isLast` says is the last line. */
export function readLines(file: NumberedFile, isLast: (line: string) => boolean): void {
  while (!file.closed) {
    const length = readSync(file.fd, buffer, 0, buffer.length, file.offset)
    if (length === 0) return
    file.offset += length
    const text = Buffer.concat([file.rest, buffer.subarray(0, length)])
    let begin = 0
    for (let end; (end = text.indexOf(NEWLINE, begin)) >= 0; begin = end + 1) {
      if (end > begin && isLast(text.toString('utf8', begin, end))) {
        file.closed = true
        return
      }
    }
    file.rest = begin === text.length ? NOTHING : text.subarray(begin)
    // What has no end is no line; the next one begins with a new line.
    if (file.rest.length > LONGEST_LINE) file.rest = NOTHING
    if (length < buffer.length) return
  }
}

/** Adds lines in one write. @throws what the system says, also where not all of them found room */
export function appendTo(file: NumberedFile, lines: readonly string[]): void {
  assertWritable(file)
  // A writer that died may have left half a line.
  write(file.fd, `\n${lines.join('\n')}\n`)
}

/** @throws why nothing can be added */
export function assertWritable({ refused }: NumberedFile): void {
  if (refused !== null) throw refused as Error
}

/** Whether it is still the file in its place. One that is closed may have been removed. */
export function isInPlace(folder: string, { number, inode, offset, closed }: NumberedFile): boolean {
  const stat = statSync(join(folder, String(number)), { throwIfNoEntry: false })
  return stat === undefined ? closed : stat.ino === inode && stat.size >= offset
}

/**
 * Writes the file that follows a closed one, unless somebody was faster, and removes what came before.
 *
 * @throws what the system says where it is not there afterwards
 */
export function writeNext(folder: string, after: number, lines: readonly string[]): void {
  const temporary = aside(folder, after + 1)
  try {
    writeWhole(temporary, lines)
    linkSync(temporary, join(folder, String(after + 1)))
  } catch (error) {
    if ((newestIn(folder) ?? 0) <= after) throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  // Those who died left theirs behind.
  for (const name of readdirSync(folder)) {
    const number = /^\.?(\d+)(\.\d+\.tmp)?$/.exec(name)?.[1]
    if (Number(number) <= after) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

/** Whether there is room for a file that follows. */
export function hasRoom(folder: string, after: number, lines: readonly string[]): boolean {
  const trial = aside(folder, after + 1)
  try {
    writeWhole(trial, lines)
    return true
  } catch {
    return false
  } finally {
    rmSync(trial, { force: true })
  }
}

function aside(folder: string, number: number): string {
  return join(folder, `.${number}.${process.pid}.tmp`)
}

function writeWhole(path: string, lines: readonly string[]): void {
  rmSync(path, { recursive: true, force: true })
  const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
  try {
    write(fd, `${lines.join('\n')}\n`)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function write(fd: number, text: string): void {
  const bytes = Buffer.from(text)
  if (writeSync(fd, bytes, 0, bytes.length, null) !== bytes.length)
    throw new Error('ENOSPC: no space left on device, write')
}
