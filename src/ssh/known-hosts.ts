import { createHmac } from 'node:crypto'
import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'

/** One line of a known_hosts file; the format is described in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". */
export interface KnownHost {
  readonly line: number
  readonly marker: 'revoked' | 'cert-authority' | undefined
  /** The first field as written: a hash, or a comma-separated list of patterns. */
  readonly hosts: string
  readonly type: string
  /** The public key blob, as it is on the wire. */
  readonly key: Buffer
}

export interface HostKey {
  readonly type: string
  readonly key: Buffer
}

export interface HostMatch {
  readonly accepted: readonly HostKey[]
  readonly revoked: readonly Buffer[]
  /** A `@cert-authority` line names this host: host certificates are not supported, so it accepts nothing. */
  readonly certAuthority: boolean
}

/** @throws {Failure} `known-hosts-malformed`, naming the line */
export function parseKnownHosts(text: string): readonly KnownHost[] {
  return text.split('\n').flatMap((raw, index) => {
    const content = raw.trim()
    return content === '' || content.startsWith('#') ? [] : [parseLine(content, index + 1)]
  })
}

/**
 * Returns the keys that the entries hold for a host. As in ssh(1), a port other than 22 is looked up as
 * `[host]:port`, and under the plain name only when that has no entry. A revocation counts under either name.
 */
export function matchHost(entries: readonly KnownHost[], host: string, port: number): HostMatch {
  const names = [hostPattern(host, port).toLowerCase(), host.toLowerCase()]
  const found = names.map((name) => entries.filter((entry) => matchesName(entry.hosts, name)))
  const accepted = found.map((matches) => matches.filter(({ marker }) => marker === undefined))
  return {
    accepted: (accepted.find((matches) => matches.length > 0) ?? []).map(({ type, key }) => ({ type, key })),
    revoked: found.flat().flatMap(({ marker, key }) => (marker === 'revoked' ? [key] : [])),
    certAuthority: found.flat().some(({ marker }) => marker === 'cert-authority'),
  }
}

/** Formats a host as known_hosts does: with the port only when it is not 22. */
export function hostPattern(host: string, port: number): string {
  return port === 22 ? host : `[${host}]:${port}`
}

/**
 * Returns the type that a public key blob names, or undefined when it is no such blob. The server chooses the
 * name, and the name becomes part of a line to paste: only the characters of RFC 4250, 4.6.1 are accepted.
 */
export function keyType(blob: Buffer): string | undefined {
  if (blob.length < 4) return undefined
  const end = 4 + blob.readUInt32BE(0)
  const type = end < blob.length ? blob.toString('latin1', 4, end) : ''
  return /^[\w@.+-]{1,64}$/.test(type) ? type : undefined
}

/** Such as `ssh-ed25519-cert-v01@openssh.com`. */
export function isCertificateType(type: string): boolean {
  return /-cert-v0\d@openssh\.com$/.test(type)
}

function parseLine(content: string, line: number): KnownHost {
  const fields = content.split(/[ \t]+/)
  const mark = content.startsWith('@') ? fields.shift()?.slice(1) : undefined
  const [hosts, type, base64] = fields
  if (mark !== undefined && mark !== 'revoked' && mark !== 'cert-authority') {
    throw malformed(line, `the marker @${mark} is unknown; @revoked and @cert-authority are the known ones`)
  }
  if (hosts === undefined || type === undefined || base64 === undefined) {
    throw malformed(line, 'it needs a host, a key type and a key, separated by spaces')
  }
  if (hosts.startsWith('|') && !/^\|1\|[A-Za-z0-9+/]{27}=\|[A-Za-z0-9+/]{27}=$/.test(hosts)) {
    throw malformed(line, 'its hashed host is not of the form |1|salt|hash')
  }
  const key = Buffer.from(base64, 'base64')
  // Buffer skips what is not base64, so only encoding again shows that nothing was lost.
  const intact = key.toString('base64').replace(/=+$/, '') === base64.replace(/(?<!=)=+$/, '')
  if (!intact || keyType(key) !== type) throw malformed(line, `its key is not a whole ${type} key in base64`)
  return { line, marker: mark, hosts, type, key }
}

function malformed(line: number, reason: string): Failure {
  return failure('known-hosts-malformed', { line, reason })
}

function matchesName(hosts: string, name: string): boolean {
  if (hosts.startsWith('|1|')) return matchesHash(hosts, name)
  const patterns = hosts.toLowerCase().split(',')
  const matched = (negated: boolean) =>
    patterns.some((pattern) =>
      pattern.startsWith('!') ? negated && glob(pattern.slice(1), name) : !negated && glob(pattern, name),
    )
  return matched(false) && !matched(true)
}

function matchesHash(hosts: string, name: string): boolean {
  const [, , salt = '', hash] = hosts.split('|')
  return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
}

/** Matches `*` and `?` in time that grows with the product of both lengths: a RegExp with many stars never ends. */
function glob(pattern: string, name: string): boolean {
  let [at, star, retry] = [0, -1, 0]
  for (let index = 0; index < name.length;) {
    if (at < pattern.length && pattern[at] === '*') {
      star = at
      at += 1
      retry = index
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[index])) {
      at += 1
      index += 1
    } else if (star >= 0) {
      // The star takes one character more.
      at = star + 1
      retry += 1
      index = retry
    } else {
      return false
    }
  }
  return /^\**$/.test(pattern.slice(at))
}
