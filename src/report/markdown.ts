/** Markdown whose texts are data: neither HTML nor Markdown of an app, a server or a branch name gets through. */
import { visible } from './text.ts'

/** In characters. */
const LONGEST_TEXT = 2000
/** GitHub drops a summary over 1 MiB whole. In bytes. */
const LARGEST_TABLE = 150_000

export interface Markup {
  readonly markdown: string
}

export type Cell = string | Markup

/** Renders text as one paragraph. Only characters with a meaning are escaped, so that the source reads well too. */
export function escape(text: string): string {
  return escapeLine(lineOf(text))
}

/** A text between two single backticks. Whoever puts one into a message gets code with escaped content, and no more. */
const CODE_SPAN = /(?<!`)`([^`]+)`(?!`)/

/** Renders a message or a remedy as one paragraph. What stands between backticks becomes code. */
export function prose(text: string): string {
  const parts = lineOf(text).split(CODE_SPAN)
  return parts.map((part, index) => (index % 2 === 1 ? codeOf(part) : escapeLine(part, index === 0))).join('')
}

function lineOf(text: string): string {
  const line = visible(text).trim().replace(/\s+/g, ' ')
  return line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}…` : line
}

function escapeLine(line: string, begins = true): string {
  const escaped = line.replace(/[&<`*[\]\\~|$]|(?<!\w)_|_(?!\w)/g, entities)
  return begins ? escaped.replace(/^[#>+\-=]|^\d+(?=[.)](?: |$))/, entities) : escaped
}

/** In Markdown's own code, entities would be shown as they are: HTML decodes them. */
function codeOf(text: string): string {
  return /[&<>|$*"\\]/.test(text)
    ? `<code>${escapeLine(text, false).replace(/[>"]/g, entities)}</code>`
    : `\`${text}\``
}

/** Renders text as it was written, in a block of its own. */
export function verbatim(text: string): string {
  return `<pre>${visible(text).replace(/[&<>]/g, entities)}</pre>`
}

/** Renders a link, or its text alone without a `url`. @param url made by us alone */
export function link(text: string, url: string | null): string {
  return url === null ? text : `[${text}](${url})`
}

/** Renders a release's id or a commit. */
export function code(text: string): string {
  return `\`${escape(text)}\``
}

/** Returns plain text, not escaped yet. */
export function on(what: string, host: string | null): string {
  return host === null ? what : `${what} on ${host}`
}

export function folded(title: string, content: string, open = false): string {
  return `<details${open ? ' open' : ''}><summary>${escape(title)}</summary>\n\n${content}\n\n</details>`
}

/** Renders a list without the items that have no text. */
export function bullets(items: readonly (readonly [name: string, markdown: string])[]): string {
  return items
    .filter(([, markdown]) => markdown !== '')
    .map(([name, markdown]) => `- **${name}:** ${markdown}`)
    .join('\n')
}

/** Renders a list under a title. Without the title it would become a part of a list before it. */
export function titled(title: string, items: Parameters<typeof bullets>[0]): string {
  return `**${escape(title)}**\n\n${bullets(items)}`
}

export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const lines = [line(head), line(head.map(() => '---'))]
  let bytes = 0
  for (const [index, cells] of rows.entries()) {
    const next = line(cells.map((cell) => (typeof cell === 'string' ? escape(cell) : cell.markdown)))
    bytes += Buffer.byteLength(next)
    if (bytes > LARGEST_TABLE) {
      lines.push(line([`…and ${rows.length - index} more`, ...head.slice(1).map(() => '')]))
      break
    }
    lines.push(next)
  }
  return lines.join('\n')
}

function entities(characters: string): string {
  return characters.replace(/./gsu, (character) => `&#${character.codePointAt(0)};`)
}
