/**
 * The file in which the workers of an app tell each other what was revalidated: `<path>/.gapless/revalidated/<number>`.
 *
 * Everybody appends, one line in one write, and reads on from where he stopped. Where a file has become long somebody
 * closes it with a last line; from then on it says the same for ever, so each of the others can write the next one, with
 * what of it still counts. `link` lets one of them win. Whoever wrote behind the last line writes once more. So nobody
 * waits for anybody, and whoever dies leaves nothing that the others could not go on from.
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { formatLine, type Line, nameOf, parseLine, Revalidations, type Times } from './revalidations.ts'

export interface RevalidationFile {
  /** Reads what others have written: as cheap as one read at the end of a file. */
  look(): void
  /** Tells everybody, and returns once they can see it. Where that fails this worker alone knows, until it can be told. */
  add(tag: string, times: Times): void
  readonly known: Revalidations
}

export interface RevalidationFileOptions {
  /** A candidate reads, and tells nobody. */
  readonly mayWrite: boolean
  /** Why this worker cannot share; null: it can again. */
  readonly onTrouble: (problem: string | null) => void
  readonly known?: Revalidations
  /** A file is closed when it is longer, and mostly out of date, in bytes. */
  readonly longest?: number
}

const LONGEST = 1024 * 1024
/** Longer than every line: what follows is none. In bytes. */
const LONGEST_LINE = 8 * 1024
/** How often it is looked whether the file is still the one in its place, in ms. */
const CHECK = 1000
/**
 * One answer asks for many tags, one after the other. Next.js takes longer than this from the arrival of a request to its
 * first look into the cache: what was known so long ago is what was known when the request came. In ms.
 */
const NO_TIME = 0.05
const NEWLINE = 10
const NOTHING = Buffer.alloc(0)
const READ_ONLY: ReadonlySet<string> = new Set(['EROFS', 'EACCES', 'EPERM'])
const { O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants

interface Opened {
  readonly fd: number
  readonly number: number
  readonly inode: number
  offset: number
  rest: Buffer
  closed: boolean
  /** Why nothing can be added to it; null: it can. */
  readonly refused: unknown
}

export function openRevalidationFile(
  folder: string,
  { mayWrite, onTrouble, known = new Revalidations(), longest = LONGEST }: RevalidationFileOptions,
): RevalidationFile {
  let file: Opened | null = null
  let looked = -Infinity
  let checked = -Infinity
  let trouble: string | null = null
  /** Names that others do not know of yet. */
  const untold = new Set<string>()
  const buffer = Buffer.allocUnsafe(64 * 1024)

  function attempt(act: () => void): void {
    let problem: string | null = null
    try {
      act()
    } catch (error) {
      problem = (error as Error).message
    }
    const isNews = (problem === null) !== (trouble === null)
    trouble = problem
    if (isNews) onTrouble(problem)
  }

  /** Reads the newest file on, and goes on to the next one where it is closed. */
  function readOn(): void {
    file ??= openNewest()
    while (file !== null) {
      read(file)
      if (!file.closed) return
      const next = nextOf(file)
      if (next === null) return
      closeSync(file.fd)
      file = next
    }
  }

  function read(from: Opened): void {
    while (!from.closed) {
      const length = readSync(from.fd, buffer, 0, buffer.length, from.offset)
      from.offset += length
      if (length === 0) return
      const text = Buffer.concat([from.rest, buffer.subarray(0, length)])
      let begin = 0
      for (let end; (end = text.indexOf(NEWLINE, begin)) >= 0; begin = end + 1) {
        if (end === begin) continue
        const line = parseLine(text.toString('utf8', begin, end))
        if (line === null) continue
        if (line.kind === 'closed') {
          from.closed = true
          return
        }
        known.apply(line)
      }
      from.rest = begin === text.length ? NOTHING : text.subarray(begin)
      // What has no end is no line; the next one begins with a new line.
      if (from.rest.length > LONGEST_LINE) from.rest = NOTHING
      if (length < buffer.length) return
    }
  }

  function openNewest(): Opened | null {
    if (mayWrite) mkdirSync(folder, { recursive: true, mode: 0o700 })
    const stat = lstatSync(folder, { throwIfNoEntry: false })
    if (stat === undefined && !mayWrite) return null
    if (stat?.isDirectory() !== true) throw new Error(`"${folder}" is not a folder`)
    for (;;) {
      const number = newest(folder)
      if (number === null && !mayWrite) return null
      const opened = open(number ?? 1)
      // Meanwhile the others may have gone on from a first file.
      if (opened !== null && newest(folder) === opened.number) return opened
      if (opened !== null) closeSync(opened.fd)
    }
  }

  /** Null where it is gone: a later one is there. */
  function open(number: number): Opened | null {
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

  /** The file that goes on from a closed one; null where a candidate finds none yet. */
  function nextOf(closed: Opened): Opened | null {
    for (;;) {
      const number = newest(folder)
      if (number !== null && number > closed.number) {
        const opened = open(number)
        if (opened !== null) return opened
      } else if (!mayWrite) return null
      else writeNext(closed.number)
    }
  }

  function writeNext(after: number): void {
    const temporary = aside(after + 1)
    try {
      writeAll(temporary)
      linkSync(temporary, join(folder, String(after + 1)))
    } catch (error) {
      // Somebody else was faster.
      if ((newest(folder) ?? 0) <= after) throw error
    } finally {
      rmSync(temporary, { force: true })
    }
    // Those who died left theirs behind.
    for (const name of readdirSync(folder)) {
      const number = /^\.?(\d+)(\.\d+\.tmp)?$/.exec(name)?.[1]
      if (Number(number) <= after) rmSync(join(folder, name), { recursive: true, force: true })
    }
  }

  function aside(number: number): string {
    return join(folder, `.${number}.${process.pid}.tmp`)
  }

  function writeAll(path: string): void {
    rmSync(path, { recursive: true, force: true })
    const fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_TRUNC, 0o600)
    try {
      const text = [...known.lines()].map((line) => `${formatLine(line)}\n`).join('')
      write(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
  }

  function write(fd: number, text: string): void {
    const bytes = Buffer.from(text)
    const written = writeSync(fd, bytes, 0, bytes.length, null)
    if (written !== bytes.length) throw new Error('ENOSPC: no space left on device, write')
  }

  function append(lines: readonly Line[]): void {
    file ??= openNewest()
    // A writer that died may have left half a line.
    const text = `\n${lines.map((line) => `${formatLine(line)}\n`).join('')}`
    for (;;) {
      if (file === null) throw new Error(`"${folder}" cannot be opened`)
      assertOpen(file)
      const { number } = file
      write(file.fd, text)
      readOn()
      // Behind a last line nobody reads.
      if (file.number === number && !file.closed) return
    }
  }

  function closeIfLong(): void {
    if (file === null || file.offset <= Math.max(longest, 3 * known.bytes)) return
    const trial = aside(file.number + 1)
    try {
      // Where there is no room for the next one, this one stays open.
      writeAll(trial)
    } catch {
      return
    } finally {
      rmSync(trial, { force: true })
    }
    write(file.fd, `\n${formatLine({ kind: 'closed' })}\n`)
    readOn()
  }

  function tellUntold(): void {
    if (untold.size === 0) return
    append([...untold].map((name) => ({ kind: 'revalidated', name, times: known.timesOf(name) })))
    untold.clear()
  }

  function readQuietly(): void {
    if (file === null || file.closed) return
    try {
      read(file)
    } catch {
      // It is said already that something is wrong with it.
    }
  }

  /** What could only be read may be writable by now. */
  function forgetRefused(): void {
    if (file === null || file.refused === null) return
    closeSync(file.fd)
    file = null
  }

  function isDue(now: number): boolean {
    if (now - checked < CHECK) return false
    checked = now
    return true
  }

  /** Somebody may have removed the file, emptied it or put another into its place. */
  function replaceLost(): void {
    if (file === null || isInPlace(file)) return
    // It may have been closed, and the next one go on.
    readOn()
    if (isInPlace(file)) return
    closeSync(file.fd)
    file = null
    readOn()
    if (mayWrite) append([...known.lines()])
  }

  function isInPlace({ number, inode, offset, closed }: Opened): boolean {
    const stat = statSync(join(folder, String(number)), { throwIfNoEntry: false })
    if (stat === undefined) return closed
    return stat.ino === inode && stat.size >= offset
  }

  return {
    known,
    look() {
      const now = performance.now()
      if (now - looked < NO_TIME) return
      looked = now
      const due = isDue(now)
      // What could not be opened or written is tried again now and then.
      if (trouble !== null && !due) {
        readQuietly()
        return
      }
      attempt(() => {
        if (due) forgetRefused()
        readOn()
        if (!due) return
        replaceLost()
        if (!mayWrite) return
        tellUntold()
        if (file !== null) assertOpen(file)
      })
    },
    add(tag, times) {
      const name = nameOf(tag)
      known.apply({ kind: 'revalidated', name, times })
      if (!mayWrite) return
      untold.add(name)
      attempt(() => {
        replaceLost()
        tellUntold()
        closeIfLong()
      })
    },
  }
}

/** @throws why nothing can be added */
function assertOpen({ refused }: Opened): void {
  if (refused !== null) throw refused as Error
}

function newest(folder: string): number | null {
  const numbers = readdirSync(folder).flatMap((name) => (/^[1-9]\d{0,14}$/.test(name) ? [Number(name)] : []))
  return numbers.length === 0 ? null : Math.max(...numbers)
}
