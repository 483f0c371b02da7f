/** Every string of a report, and the way to it: `outcome.hosts.0.failure.message`. */
import { Failure } from '../../src/common/failure.ts'

/** Copies data, with `change` applied to each of its strings. */
export function changeStrings<T>(data: T, change: (text: string, path: string) => string): T {
  const walk = (value: unknown, path: string): unknown => {
    if (typeof value === 'string') return change(value, path)
    if (value instanceof Failure)
      return Failure.revive(walk(value.toRecord(), path) as Failure & { remedy: null })
    if (Array.isArray(value)) return value.map((each, index) => walk(each, `${path}.${index}`))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value).map(([name, each]) => [name, walk(each, path === '' ? name : `${path}.${name}`)]),
    )
  }
  return walk(data, '') as T
}

/** Paths and texts. */
export function stringsIn(data: unknown): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  changeStrings(data, (text, path) => {
    found.set(path, text)
    return text
  })
  return found
}

/** The paths of what has no content: null, undefined, '' and []. */
export function emptyIn(data: unknown): readonly string[] {
  const empty: string[] = []
  const walk = (value: unknown, path: string): void => {
    if (value === null || value === undefined || value === '') empty.push(path)
    else if (Array.isArray(value) && value.length === 0) empty.push(path)
    else if (value instanceof Failure) walk(value.toRecord(), path)
    else if (typeof value === 'object')
      for (const [name, each] of Object.entries(value)) walk(each, `${path}.${name}`)
  }
  walk(data, '')
  return empty
}
