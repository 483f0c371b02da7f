/** Takes the secrets out of data: out of every string, whichever field holds it. */
import { Failure } from '../common/failure.ts'
import type { Redact } from './redactor.ts'

/** Copies arrays, plain objects and failures, with every string in them redacted. A failure loses its cause. */
export function redactAll<T>(data: T, redact: Redact): T {
  const copy = (value: unknown): unknown => {
    if (typeof value === 'string') return redact(value)
    if (typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map(copy)
    if (value instanceof Failure) return Failure.revive(redactAll(value.toRecord(), redact))
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copy(each)]))
  }
  return copy(data) as T
}
