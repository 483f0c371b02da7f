/** Markdown whose texts are data: neither HTML nor Markdown of an app, a server or a branch name gets through. */
import { visible } from './text.ts'

/** In characters. */
const LONGEST_TEXT = 2000
/** Of one table: a summary over 1 MiB is dropped whole by GitHub. In bytes. */
const LARGEST_TABLE = 150_000

/** Text that is Markdown already. */
export interface Markup {
  readonly markdown: string
}

export type Cell = string | Markup

/** Text as one paragraph. Only what could mean something is escaped, so that the source reads well too. */
export function escape(text: string): string {
  const line = visible(text).trim().replace(/\s+/g, ' ')
  const shown = line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT)}…` : line
  return shown.replace(/[&<`*[\]\\~|$]|(?<!\w)_|_(?!\w)|^[#>+\-=]|^\d+(?=[.)](?: |$))/g, entities)
}

/** Text as it was written, in a block of its own. */
export function verbatim(text: string): string {
  return `<pre>${visible(text).replace(/[&<>]/g, entities)}</pre>`
}

/** A link, or its text alone where there is nowhere to go. @param url made by us alone */
export function link(text: string, url: string | null): string {
  return url === null ? text : `[${text}](${url})`
}

/** A release's id, a commit. */
export function code(text: string): string {
  return `\`${escape(text)}\``
}

/** Text that is not escaped yet in a heading that is. */
export function on(what: string, host: string | null): string {
  return host === null ? what : `${what} on ${host}`
}

export function folded(title: string, content: string, open = false): string {
  return `<details${open ? ' open' : ''}><summary>${escape(title)}</summary>\n\n${content}\n\n</details>`
}

/** Empty where there is nothing to list. */
export function bullets(items: readonly (readonly [name: string, markdown: string])[]): string {
  return items
    .filter(([, markdown]) => markdown !== '')
    .map(([name, markdown]) => `- **${name}:** ${markdown}`)
    .join('\n')
}

/** A list with something before it: one that follows another directly would become a part of it, widely spaced. */
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
