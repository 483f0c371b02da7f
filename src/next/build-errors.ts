/**
 * The errors in the output of a build, with their places in the sources: of Next.js 14 to 16, webpack and
 * Turbopack, TypeScript and ESLint. The patterns are from builds with 14.2.35, 15.5.29 and 16.4.6.
 */
import { withoutSequences } from '../common/terminal.ts'
import { join, relative, sep } from 'node:path'
import { ancestors, isInside } from './paths.ts'

export interface BuildError {
  /** Relative as printed: to the app, or in a monorepo to a folder above it. */
  readonly file: string
  readonly position: Position | null
  /** One line. */
  readonly message: string
}

export interface Position {
  /** Both from 1. */
  readonly line: number
  readonly column: number
}

export function findBuildErrors(output: string): readonly BuildError[] {
  const lines = withoutSequences(output).split(/\r?\n/)
  const found = lines.flatMap((line, index) =>
    errorsAt(line, lines.slice(index + 1, index + 1 + LONGEST_ERROR)),
  )
  return [...new Map(found.map((error) => [JSON.stringify(error), error])).values()]
}

/** In lines. */
const LONGEST_ERROR = 60

/** `./app/page.tsx`, `./app/page.tsx:2:13`, `../../packages/ui/button.tsx` */
const HEAD = /^(\.{1,2}\/.+?)(?::(\d+):(\d+))?$/
/** `lib/price.ts(1,14): error TS2322: Type …`, as Next.js 16.4 has it from TypeScript itself */
const TYPESCRIPT = /^(\S.*?)\((\d+),(\d+)\): error (TS\d+: .+)$/
/** `4:31  Error: text  the/rule` */
const ESLINT = /^(\d+):(\d+) {2}(Error|Warning): (.+)$/
/** An error while a page is rendered, and the first line of its stack where that is in the sources (Next.js 16). */
const THROWN = /^(?:[A-Z]\w*)?Error: .+$/
const THROWN_AT = /^\s+at .*\(([^./:()][^:()]*):(\d+):(\d+)\)$/
/** The lines after it say how the file came into the build. */
const END = /^(?:Import traces?\b|Caused by:|Stack backtrace:|> Build )/

function errorsAt(line: string, after: readonly string[]): readonly BuildError[] {
  const [, head, ...place] = HEAD.exec(line) ?? []
  if (head !== undefined) return errorsUnder(head, positionOf(place), after)

  const [, file, row, column, message = ''] = TYPESCRIPT.exec(line) ?? []
  if (file !== undefined) return [{ file, position: positionOf([row, column]), message }]

  const [, thrownIn, ...thrownAt] = (THROWN.test(line) && THROWN_AT.exec(after[0] ?? '')) || []
  return thrownIn === undefined ? [] : [{ file: thrownIn, position: positionOf(thrownAt), message: line }]
}

function errorsUnder(
  file: string,
  position: Position | null,
  after: readonly string[],
): readonly BuildError[] {
  const end = after.findIndex((line) => HEAD.test(line) || END.test(line))
  const block = end < 0 ? after : after.slice(0, end)
  if ((block[0] ?? '').trim() === '') return []
  const linted = block.flatMap((line) => {
    const [, row, column, kind, message = ''] = ESLINT.exec(line) ?? []
    return kind === undefined ? [] : [{ kind, error: { file, position: positionOf([row, column]), message } }]
  })
  if (linted.length > 0) return linted.filter(({ kind }) => kind === 'Error').map(({ error }) => error)
  const message = messageOf(block)
  return message === undefined ? [] : [{ file, position: position ?? markedIn(block), message }]
}

function positionOf([row, at]: readonly (string | undefined)[]): Position | null {
  const [line, column] = [Number(row), Number(at)]
  return line > 0 && column > 0 ? { line, column } : null
}

/** What Turbopack prints for every error; the reason follows the code (15). */
const GENERIC = /^(?:Parsing ecmascript source code failed|Ecmascript file had an error)$/

function messageOf(block: readonly string[]): string | undefined {
  const texts = block.map((line) =>
    line
      .trim()
      .replace(/^Error:\s*/, '')
      .replace(/^[x×⨯]\s+/, ''),
  )
  const first = texts.findIndex((text) => text !== '' && text !== 'x')
  const text = texts[first]
  if (text === undefined || !GENERIC.test(text)) return text
  const gap = texts.indexOf('', first)
  return texts.slice(gap + 1).find((line) => gap >= 0 && line !== '') ?? text
}

/** The first marked place in a box of SWC's: its head names line 1 even where the mark is elsewhere (14). */
function markedIn(block: readonly string[]): Position | null {
  let line: number | undefined
  for (const text of block) {
    line = Number(/^\s*(\d+) [|│]/.exec(text)?.[1] ?? line)
    const [, gutter = '', before] = /^(\s*[:·] )(\s*)[\^─┬╭▲]/.exec(text) ?? []
    if (gutter !== '' && before !== undefined && !Number.isNaN(line))
      return { line, column: before.length + 1 }
  }
  return null
}

/** Returns where a printed file is in the repository, relative to its root; undefined where it is not in it. */
export function inRepository(
  file: string,
  directory: string,
  workspace: string,
  exists: (path: string) => boolean,
): string | undefined {
  const places = ancestors(directory, workspace).map((folder) => join(folder, file))
  const found = places.find((path) => isInside(workspace, path) && exists(path))
  return found === undefined ? undefined : relative(workspace, found).split(sep).join('/')
}
