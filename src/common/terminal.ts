/** Text that programs wrote for a terminal. */
import { stripVTControlCharacters } from 'node:util'

/** Where a terminal's sequence begins. `ESC \` ends one. */
// oxlint-disable-next-line no-control-regex -- they are what it looks for
const SEQUENCE = /(?=\u001B(?!\\)|\u009B)/

/**
 * Removes colours and other sequences. One by one: for each of many that do not end, Node's own function searches the
 * rest of the text (seen in Node 24.21).
 */
export function withoutSequences(text: string): string {
  return text.split(SEQUENCE).map(stripVTControlCharacters).join('')
}
