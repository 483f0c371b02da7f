/** Text that others wrote, made fit to be shown. */
import { withoutSequences } from '../common/terminal.ts'

/**
 * Removes colours, and replaces control characters and those that turn the direction of writing: they would hide,
 * overwrite or reorder what people read. Line breaks and tabs stay.
 */
export function visible(text: string): string {
  return withoutSequences(text)
    .replace(/\r\n?/g, '\n')
    .replace(/[^\P{Cc}\n\t]|[\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/gu, '\uFFFD')
}

/** Ends the text with a full stop, unless it ends with a mark of its own. */
export function asSentence(text: string): string {
  return /[.!?:]$/.test(text) ? text : `${text}.`
}
