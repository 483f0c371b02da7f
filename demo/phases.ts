/** Follows the log of a run: shows each phase as it begins, and keeps a line of each that has ended. */
import { stripVTControlCharacters } from 'node:util'
import { faint, green, red } from './console.ts'
import type { Live } from './live.ts'

/** How the pipeline ends a phase: what it did, or why it failed, then `(build: 12.3 s)`. */
const ENDED = /^(failed: )?(.*) \(([a-z-]+): ([^)]+)\)$/

/** @returns what is to be called with each line of the log */
export function followPhases(live: Live): (line: string) => void {
  return (line) => {
    const [, begins] = /^::group::([a-z-]+)$/.exec(line) ?? []
    if (begins !== undefined) return live.begin(begins)
    const [, failed, detail = '', phase = '', took = ''] = ENDED.exec(line) ?? []
    if (detail !== '') {
      const mark = failed === undefined ? green('✔') : red('✖')
      live.keep(`${mark} ${phase.padEnd(13)}${took.padStart(8)}  ${faint(shorten(detail))}`)
      return
    }
    if (!line.startsWith('::')) live.note(printable(line))
  }
}

/** What a build prints may move the cursor, and a line that is written again and again would show it. */
function printable(line: string): string {
  return stripVTControlCharacters(line)
    .replace(/[^\P{C}]/gu, '')
    .trim()
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 99)}…` : text
}
