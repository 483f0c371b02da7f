import { isIPv6 } from 'node:net'
import { Unusable } from './unusable.ts'
import { isHostName, port as parsePort, userName } from './values.ts'

/** One server as it was written; null: it leaves that to `port` and `username`. */
export interface HostEntry {
  /** An IPv6 address stands without its brackets. */
  readonly host: string
  readonly port: number | null
  readonly username: string | null
}

/** Reads `[user@]host[:port]`, an IPv6 address in brackets. */
export function hostEntry(text: string): HostEntry {
  // The last @ counts: a user name of a directory service may hold one.
  const at = text.lastIndexOf('@')
  const username = at < 0 ? null : text.slice(0, at)
  const showable = username === null || !username.includes(':')
  const unusable = (): Unusable =>
    new Unusable('[user@]host[:port] without a password, with an IPv6 address in brackets', showable)

  const [, bracketed, named, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text.slice(at + 1)) ?? []
  const host = bracketed ?? named
  const valid = bracketed === undefined ? named !== undefined && isHostName(named) : isIPv6(bracketed)
  if (host === undefined || !valid || username === '' || !showable) throw unusable()
  try {
    return {
      host,
      port: port === undefined ? null : parsePort(port),
      username: username === null ? null : userName(username),
    }
  } catch {
    throw unusable()
  }
}
