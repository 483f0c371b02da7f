/** Every message of the protocol as a debug line, without secrets. */
import type { Operation } from '../protocol/messages.ts'

export interface Traced {
  readonly way: 'sent' | 'received'
  readonly operation: Operation
  /** Id of the request that the message is or answers. */
  readonly id: number
  readonly kind: 'request' | 'body' | 'event' | 'alive' | 'result' | 'error'
  readonly bytes: number
  /** The content of a body is never shown. */
  readonly value?: unknown
}

export type Trace = (message: Traced) => void

export function traceLine({ way, operation, id, kind, bytes, value }: Traced): string {
  const arrow = way === 'sent' ? '→' : '←'
  const content = value === undefined ? '' : ` ${JSON.stringify(value, hideSecrets)}`
  return `${arrow} ${operation} #${id} ${kind}, ${bytes} bytes${content}`
}

const HIDDEN = '***'

/**
 * Hidden by name, whatever the values are: the app's environment, the key of its server actions, commands, and
 * the expected text of a healthy answer. Any of them may contain a secret that is not masked.
 */
const SECRET = new Set(['key', 'preActivate', 'postActivate', 'body'])

function hideSecrets(this: unknown, name: string, value: unknown): unknown {
  if (name === 'env' && typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.keys(value).map((key) => [key, HIDDEN]))
  return SECRET.has(name) && typeof value === 'string' ? HIDDEN : value
}
