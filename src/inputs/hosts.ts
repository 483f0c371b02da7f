import { isIPv6 } from 'node:net'
import { Unusable } from './unusable.ts'
import { isHostName, port as parsePort, userName } from './values.ts'

/** Where to log in. An IPv6 address stands without its brackets. */
export interface HostAddress {
  readonly host: string
  readonly port: number
  readonly username: string
}

/** One server as it was written: what it leaves out comes from `port` and `username`. */
export interface HostEntry {
  readonly host: string
  readonly port: number | undefined
  readonly username: string | undefined
}

/** Reads `[user@]host[:port]`, an IPv6 address in brackets. */
export function hostEntry(text: string): HostEntry {
  // The last @ counts: a user name of a directory service may hold one.
  const at = text.lastIndexOf('@')
  const username = at < 0 ? undefined : text.slice(0, at)
  const showable = username === undefined || !username.includes(':')
  const unusable = (): Unusable =>
    new Unusable('[user@]host[:port], an IPv6 address in brackets, without a password', showable)

  const [, bracketed, named, port] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::(\d+))?$/.exec(text.slice(at + 1)) ?? []
  const host = bracketed ?? named
  const valid = bracketed === undefined ? named !== undefined && isHostName(named) : isIPv6(bracketed)
  if (host === undefined || !valid || username === '' || !showable) throw unusable()
  try {
    return {
      host,
      port: port === undefined ? undefined : parsePort(port),
      username: username === undefined ? undefined : userName(username),
    }
  } catch {
    throw unusable()
  }
}
