/**
 * The files in which Next.js keeps a cached entry, as the workers of a release share them. Next.js writes them in place,
 * one after the other (14.2, 15.5, 16.4): another worker would find half an entry, or the parts of two. Here all parts
 * are written aside and renamed, the main one last; that one's modification time is the entry's age, and with its inode
 * it tells one rendering from every other.
 */
import { linkSync, promises, renameSync, rmSync, type Stats, statSync, utimesSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What Next.js gives its cache to work with (`nodeFs`). */
export interface NextFs {
  readFile(path: string, encoding?: BufferEncoding): Promise<string | Buffer>
  writeFile(path: string, data: string | Buffer): Promise<unknown>
  stat(path: string): Promise<{ readonly mtime: Date }>
  existsSync(path: string): boolean
}

/** Tells one content of a file from every other. */
export interface Mark {
  readonly inode: number
  readonly mtimeMs: number
  readonly size: number
}

export interface EntryFile {
  readonly path: string
  /** Null as long as there is none. */
  readonly mark: Mark | null
}

/** @returns null where there is none, or none that can be looked at */
export function markOf(path: string): Mark | null {
  try {
    const stat = statSync(path, { throwIfNoEntry: false })
    return stat === undefined ? null : markIn(stat)
  } catch {
    return null
  }
}

function markIn({ ino, mtimeMs, size }: Stats): Mark {
  return { inode: ino, mtimeMs, size }
}

export function isSame(a: Mark | null, b: Mark | null): boolean {
  if (a === null || b === null) return a === b
  return a.inode === b.inode && a.mtimeMs === b.mtimeMs && a.size === b.size
}

/**
 * For one look at the files of an entry. Next.js reads a file and then asks for its time; here the time is the one from
 * before: an entry that is replaced meanwhile looks older than it is, never younger.
 *
 * @param timeOf the age of an entry, by its main file
 */
export function readingFs(
  base: NextFs,
  timeOf: (path: string, stat: Stats) => number,
): { readonly fs: NextFs; main(): EntryFile | null } {
  const seen = new Map<string, Stats>()
  let main: EntryFile | null = null
  /** Where 15.5 and 16.4 look first; where nothing is there yet they take what the build rendered. */
  let missing: EntryFile | null = null
  let time = 0
  const writeFile = (path: string, data: string | Buffer) => writeIfMissing(path, data, time)
  const fs = {
    ...base,
    readFile(path: string, encoding?: BufferEncoding) {
      const stat = statSync(path, { throwIfNoEntry: false })
      if (stat !== undefined) seen.set(path, stat)
      return base.readFile(path, encoding)
    },
    async stat(path: string) {
      const stat = seen.get(path) ?? statSync(path)
      main = { path, mark: markIn(stat) }
      time = timeOf(path, stat)
      return { mtime: new Date(time) }
    },
    existsSync(path: string) {
      const exists = base.existsSync(path)
      if (!exists) missing ??= { path, mark: null }
      return exists
    },
    // Next.js 15.5 and 16.4 copy what the build rendered when it is first asked for; a newer rendering stays.
    writeFile,
    writeFileAtomic: writeFile,
  }
  return { fs, main: () => missing ?? main }
}

let count = 0
/** Short, because the name of the file itself may be as long as the file system allows. */
const aside = (path: string) => join(dirname(path), `.${process.pid}.${(count += 1)}.tmp`)

async function writeIfMissing(path: string, data: string | Buffer, time: number): Promise<boolean> {
  const temporary = aside(path)
  try {
    await promises.writeFile(temporary, data)
    utimesSync(temporary, time / 1000, time / 1000)
    linkSync(temporary, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(temporary, { force: true })
  }
}

/** For one entry that is written. */
export function writingFs(base: NextFs): {
  readonly fs: NextFs
  /**
   * Puts what was written into its place, unless a rendering is there that began later.
   *
   * @param begun when the rendering began, in ms
   * @returns the main file, or null where there is none
   */
  publish(begun: number): EntryFile | null
  discard(): void
} {
  const written: { readonly path: string; readonly temporary: string }[] = []
  const discard = () => {
    for (const { temporary } of written) rmSync(temporary, { force: true })
  }
  return {
    fs: {
      ...base,
      async writeFile(path, data) {
        const temporary = aside(path)
        written.push({ path, temporary })
        await promises.writeFile(temporary, data)
      },
    },
    publish(begun) {
      const main = written.find(({ path }) => /\.(html|body)$/.test(path)) ?? written[0]
      if (main === undefined) return null
      const present = markOf(main.path)
      // One of the future comes from a clock that was set back meanwhile.
      const isLater = present !== null && present.mtimeMs >= begun + 1 && present.mtimeMs <= Date.now()
      if (isLater) {
        discard()
        return { path: main.path, mark: NONE }
      }
      // A part of a millisecond tells it from what has its inode next.
      const time = (begun + 0.1 + Math.random() * 0.8) / 1000
      utimesSync(main.temporary, time, time)
      const mark = markOf(main.temporary) ?? NONE
      for (const { path, temporary } of written) if (path !== main.path) renameSync(temporary, path)
      renameSync(main.temporary, main.path)
      return { path: main.path, mark }
    },
    discard,
  }
}

/** Of no file. */
const NONE: Mark = { inode: 0, mtimeMs: 0, size: 0 }
