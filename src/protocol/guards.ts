/**
 * Guards turn data from a connection or a file into a typed value, or fail naming the place. The types of the
 * messages are inferred from the guards, so the two cannot differ.
 */
import { failure } from '../common/errors/protocol.ts'
import type { Failure } from '../common/failure.ts'

export type Guard<T> = (value: unknown, place: string) => T
export type Guarded<G> = G extends Guard<infer T> ? T : never

export function malformed(problem: string, cause?: unknown): Failure {
  return failure('malformed-message', { problem }, { cause })
}

function refuse(place: string, expected: string): never {
  throw malformed(`${place} is not ${expected}`)
}

export const string: Guard<string> = (value, place) =>
  typeof value === 'string' ? value : refuse(place, 'a string')

export const boolean: Guard<boolean> = (value, place) =>
  typeof value === 'boolean' ? value : refuse(place, 'a boolean')

export const number: Guard<number> = (value, place) =>
  typeof value === 'number' && Number.isFinite(value) ? value : refuse(place, 'a number')

/** A non-negative safe integer: sizes, counts, ports, milliseconds. */
export const count: Guard<number> = (value, place) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : refuse(place, 'a whole number')

export function matching(pattern: RegExp): Guard<string> {
  return (value, place) => {
    const text = string(value, place)
    return pattern.test(text) ? text : refuse(place, `like ${pattern.source}`)
  }
}

export function oneOf<const T extends string>(...accepted: readonly T[]): Guard<T> {
  return (value, place) =>
    accepted.includes(value as T) ? (value as T) : refuse(place, `one of ${accepted.join(', ')}`)
}

export function nullable<T>(guard: Guard<T>): Guard<T | null> {
  return (value, place) => (value === null || value === undefined ? null : guard(value, place))
}

/** A member that older versions do not write. */
export function missingAs<T>(instead: T, guard: Guard<T>): Guard<T> {
  return (value, place) => (value === undefined ? instead : guard(value, place))
}

export function list<T>(guard: Guard<T>): Guard<readonly T[]> {
  return (value, place) =>
    Array.isArray(value)
      ? value.map((item, index) => guard(item, `${place}[${index}]`))
      : refuse(place, 'a list')
}

export function dictionary<T>(guard: Guard<T>): Guard<Readonly<Record<string, T>>> {
  return (value, place) => {
    const entries = Object.entries(record(value, place))
    return Object.fromEntries(entries.map(([key, item]) => [key, guard(item, `${place}.${key}`)]))
  }
}

/** An object with the named members; drops all others. */
export function object<S extends Record<string, Guard<unknown>>>(
  shape: S,
): Guard<{ readonly [K in keyof S]: Guarded<S[K]> }> {
  return (value, place) => {
    const source = record(value, place)
    const entries = Object.entries(shape).map(([key, guard]) => [key, guard(source[key], `${place}.${key}`)])
    return Object.fromEntries(entries) as { readonly [K in keyof S]: Guarded<S[K]> }
  }
}

function record(value: unknown, place: string): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : refuse(place, 'an object')
}

/** Parses and checks JSON text. @throws Failure `malformed-message` */
export function parse<T>(guard: Guard<T>, text: string, place: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw malformed(`${place} is not JSON`, cause)
  }
  return guard(value, place)
}
