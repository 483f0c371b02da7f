/** Quantities for people. */

/** In ms. */
const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const

export function formatDuration(ms: number): string {
  // The limits are where the next unit's text begins, rounded: never "1000 ms", "60.0 s" or "1 min 60 s".
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Formats an age in its largest unit. @param ms negative where two clocks differ */
export function formatAge(ms: number): string {
  const [name, length] = UNITS.find(([, size]) => ms >= size) ?? ['', 0]
  return length === 0 ? 'just now' : `${plural(Math.floor(ms / length), name)} ago`
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB']
  let [value, unit] = [bytes, 0]
  while (value >= 999.95 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1]
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`
}

const MOST_LISTED = 5

/** Lists the first few names. @param count of all names, where not all are given */
export function listed(names: readonly string[], count = names.length): string {
  const shown = names.slice(0, MOST_LISTED)
  const more = count - shown.length
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '')
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Joins the texts that are not empty. */
export function joined(texts: readonly string[], between = ' '): string {
  return texts.filter((text) => text !== '').join(between)
}

/** Formats a limit in its largest whole unit ("30 minutes"), or in seconds. */
export function formatLimit(ms: number): string {
  const [name, length] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? ['second', 1000]
  return plural(Math.round((ms / length) * 10) / 10, name)
}

/** For a sentence that goes on. */
export function withoutFullStop(text: string): string {
  return text.replace(/\.$/, '')
}
