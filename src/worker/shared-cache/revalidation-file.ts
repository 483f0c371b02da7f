/**
 * The file in which the workers of an app tell each other what was revalidated: `<path>/.gapless/revalidated/<number>`.
 *
 * Where a file has become long somebody closes it with a last line; from then on it says the same for ever, so each of
 * the others can write the next one, with what of it still counts. One of them wins. Whoever wrote behind the last line
 * writes once more. So nobody waits for anybody, and whoever dies leaves nothing that the others could not go on from.
 */
import { closeSync, lstatSync, mkdirSync } from 'node:fs'
import {
  appendTo,
  assertWritable,
  hasRoom,
  isInPlace,
  newestIn,
  type NumberedFile,
  openNumbered,
  readLines,
  writeNext,
} from './numbered-file.ts'
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
/** How often it is looked whether the file is still the one in its place, in ms. */
const CHECK = 1000
/**
 * One answer asks for many tags, one after the other. Next.js takes longer than this from the arrival of a request to its
 * first look into the cache: what was known so long ago is what was known when the request came. In ms.
 */
const NO_TIME = 0.05

export function openRevalidationFile(
  folder: string,
  { mayWrite, onTrouble, known = new Revalidations(), longest = LONGEST }: RevalidationFileOptions,
): RevalidationFile {
  let file: NumberedFile | null = null
  let looked = -Infinity
  let checked = -Infinity
  let trouble: string | null = null
  /** Names that others do not know of yet. */
  const untold = new Set<string>()

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

  /** @returns whether it is the last of its file */
  function apply(text: string): boolean {
    const line = parseLine(text)
    if (line !== null && line.kind !== 'closed') known.apply(line)
    return line?.kind === 'closed'
  }

  /** Reads the newest file on, and goes on to the next one where it is closed. */
  function readOn(): void {
    file ??= openNewest()
    while (file !== null) {
      readLines(file, apply)
      if (!file.closed) return
      const next = nextOf(file)
      if (next === null) return
      closeSync(file.fd)
      file = next
    }
  }

  function openNewest(): NumberedFile | null {
    if (mayWrite) mkdirSync(folder, { recursive: true, mode: 0o700 })
    const stat = lstatSync(folder, { throwIfNoEntry: false })
    if (stat === undefined && !mayWrite) return null
    if (stat?.isDirectory() !== true) throw new Error(`"${folder}" is not a folder`)
    for (;;) {
      const number = newestIn(folder)
      if (number === null && !mayWrite) return null
      const opened = openNumbered(folder, number ?? 1, mayWrite)
      // Meanwhile the others may have gone on from a first file.
      if (opened !== null && newestIn(folder) === opened.number) return opened
      if (opened !== null) closeSync(opened.fd)
    }
  }

  /** The file that goes on from a closed one; null where a candidate finds none yet. */
  function nextOf({ number: closed }: NumberedFile): NumberedFile | null {
    for (;;) {
      const number = newestIn(folder)
      if (number !== null && number > closed) {
        const opened = openNumbered(folder, number, mayWrite)
        if (opened !== null) return opened
      } else if (!mayWrite) return null
      else writeNext(folder, closed, everything())
    }
  }

  const everything = () => [...known.lines()].map(formatLine)

  function append(lines: readonly Line[]): void {
    file ??= openNewest()
    for (;;) {
      if (file === null) throw new Error(`"${folder}" cannot be opened`)
      const { number } = file
      appendTo(file, lines.map(formatLine))
      readOn()
      // Behind a last line nobody reads.
      if (file.number === number && !file.closed) return
    }
  }

  function closeIfLong(): void {
    if (file === null || file.offset <= Math.max(longest, 3 * known.bytes)) return
    // Where there is no room for the next one, this one stays open.
    if (!hasRoom(folder, file.number, everything())) return
    appendTo(file, [formatLine({ kind: 'closed' })])
    readOn()
  }

  function tellUntold(): void {
    if (untold.size === 0) return
    append([...untold].map((name) => ({ kind: 'revalidated', name, times: known.timesOf(name) })))
    untold.clear()
  }

  /** Somebody may have removed the file, emptied it or put another into its place. */
  function replaceLost(): void {
    if (file === null || isInPlace(folder, file)) return
    // It may have been closed, and the next one go on.
    readOn()
    if (isInPlace(folder, file)) return
    closeSync(file.fd)
    file = null
    readOn()
    if (mayWrite) append([...known.lines()])
  }

  /** What could only be read may be writable by now. */
  function forgetRefused(): void {
    if (file === null || file.refused === null) return
    closeSync(file.fd)
    file = null
  }

  function readQuietly(): void {
    if (file === null || file.closed) return
    try {
      readLines(file, apply)
    } catch {
      // It is said already that something is wrong with it.
    }
  }

  function check(): void {
    forgetRefused()
    readOn()
    replaceLost()
    if (!mayWrite) return
    tellUntold()
    if (file !== null) assertWritable(file)
  }

  return {
    known,
    look() {
      const now = performance.now()
      if (now - looked < NO_TIME) return
      looked = now
      if (now - checked >= CHECK) {
        checked = now
        attempt(check)
      }
      // What could not be opened or written is tried again with the next check.
      else if (trouble !== null) readQuietly()
      else attempt(readOn)
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
