/** Generated tables in Markdown pages. */

/**
 * @param {readonly string[]} header
 * @param {readonly (readonly string[])[]} rows
 * @returns {string}
 */
export function table(header, rows) {
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/**
 * Replaces what stands between `<!-- name:start -->` and `<!-- name:end -->`.
 * @param {string} text
 * @param {string} name of the markers
 * @param {string} content which prettier leaves alone: padded columns would make every change touch every row
 */
export function replaceBetween(text, name, content) {
  const start = `<!-- ${name}:start -->`
  const end = `<!-- ${name}:end -->`
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`The markers ${start} and ${end} are missing or out of order.`)
  const ignored = `<!-- prettier-ignore-start -->\n\n${content}\n\n<!-- prettier-ignore-end -->`
  return `${text.slice(0, from + start.length)}\n${ignored}\n${text.slice(to)}`
}
