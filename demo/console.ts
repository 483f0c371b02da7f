/** What the demo prints: plain text, with a little colour on a terminal. */
export const isTerminal = process.stdout.isTTY
const colour = isTerminal && process.env['NO_COLOR'] === undefined

/** How wide the terminal is now: its window may change. */
export const columns = () => process.stdout.columns || 80

function paint(code: number, text: string): string {
  return colour ? `\x1b[${code}m${text}\x1b[0m` : text
}

export const faint = (text: string) => paint(2, text)
export const bold = (text: string) => paint(1, text)
export const green = (text: string) => paint(32, text)
export const red = (text: string) => paint(31, text)

/** A line of the story, indented. */
export function say(text = ''): void {
  console.log(text === '' ? '' : text.replace(/^/gm, '   '))
}

export function heading(text: string): void {
  console.log(`\n${bold(text)}`)
}

/** Rows under a head, in columns as wide as they need; numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return /^(-|[\d.,]+( (ms|s|min.*))?)$/.test(cell) ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}
