import { createHash } from 'node:crypto'
import type { ServerHostKeyAlgorithm } from 'ssh2'
import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'
import { type HostMatch, hostPattern, keyType, matchHost, parseKnownHosts } from './known-hosts.ts'

export interface HostIdentity {
  /** The text of a known_hosts file. */
  readonly knownHosts?: string | null
  /** `SHA256:…`, as ssh-keygen -l prints them. */
  readonly fingerprints: readonly string[]
}

/** Decides whether a server is the right one. Never accepts an unknown key. */
export interface HostKeyPolicy {
  verify(key: Buffer): true | Failure
  /** The algorithms to ask the server for, best first. */
  readonly algorithms: readonly ServerHostKeyAlgorithm[]
  /** The policy for keys of other types, where a fingerprint does not tell its type; undefined: there is no other. */
  without(type: string | undefined): HostKeyPolicy | undefined
}

interface Expectation extends HostMatch {
  readonly fingerprints: readonly string[]
}

/**
 * Every usable host key algorithm, best first, with the type of its key. No `ssh-rsa`, whose signatures are
 * SHA-1: OpenSSH refuses them since 8.8, and since 7.2 (2016) no server needs them.
 */
const ALGORITHMS: readonly (readonly [ServerHostKeyAlgorithm, string])[] = [
  ['ssh-ed25519', 'ssh-ed25519'],
  ['ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp256'],
  ['ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp384'],
  ['ecdsa-sha2-nistp521', 'ecdsa-sha2-nistp521'],
  ['rsa-sha2-512', 'ssh-rsa'],
  ['rsa-sha2-256', 'ssh-rsa'],
]

/**
 * @throws {Failure} `host-identity-missing`, `fingerprint-malformed`, `known-hosts-malformed`,
 *   `host-certificate-unsupported`
 */
export function hostKeyPolicy(inputs: HostIdentity, host: string, port: number): HostKeyPolicy {
  const fingerprints = inputs.fingerprints.map(parseFingerprint)
  const entries = parseKnownHosts(inputs.knownHosts ?? '')
  if (fingerprints.length === 0 && entries.length === 0) throw failure('host-identity-missing', { host })
  const expected: Expectation = { ...matchHost(entries, host, port), fingerprints }
  if (expected.certAuthority && expected.accepted.length === 0 && fingerprints.length === 0) {
    throw failure('host-certificate-unsupported', { host: hostPattern(host, port) })
  }
  const policyFor = (algorithms: readonly ServerHostKeyAlgorithm[]): HostKeyPolicy => ({
    verify: (key) => judge(key, expected, host, port),
    algorithms,
    without(type) {
      if (fingerprints.length === 0) return undefined
      const others = algorithms.filter((name) => typeOf.get(name) !== type)
      return others.length === 0 || others.length === algorithms.length ? undefined : policyFor(others)
    },
  })
  return policyFor(algorithmsFor(expected))
}

const typeOf: ReadonlyMap<string, string> = new Map(ALGORITHMS)

/** Returns `SHA256:…` of a public key blob, as ssh-keygen -l prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

function parseFingerprint(given: string): string {
  const fingerprint = given.trim().replace(/(?<!=)=+$/, '')
  if (/^SHA256:[A-Za-z0-9+/]{43}$/.test(fingerprint)) return fingerprint
  throw failure('fingerprint-malformed', { given })
}

/**
 * A server shows one key, of the first type that the client asks for and the server has. Asking for a type that
 * known_hosts does not hold would fail although the server is the right one. The type behind a fingerprint is
 * unknown, so with fingerprints the other types follow.
 */
function algorithmsFor({ accepted, fingerprints }: Expectation): readonly ServerHostKeyAlgorithm[] {
  const all = ALGORITHMS.map(([name]) => name)
  const held = new Set(accepted.map(({ type }) => type))
  const known = all.filter((name) => held.has(typeOf.get(name) ?? ''))
  if (known.length > 0 && fingerprints.length === 0) return known
  return [...known, ...all.filter((name) => !known.includes(name))]
}

function judge(
  key: Buffer,
  { accepted, revoked, fingerprints }: Expectation,
  host: string,
  port: number,
): true | Failure {
  const shown = { host: hostPattern(host, port), offered: describe(key) }
  if (revoked.some((each) => each.equals(key))) return failure('host-key-revoked', shown)
  const fingerprint = fingerprintOf(key)
  if (accepted.some((each) => each.key.equals(key)) || fingerprints.includes(fingerprint)) return true
  const line = `${shown.host} ${keyType(key) ?? 'unknown'} ${key.toString('base64')}`
  const expected = [...accepted.map((each) => describe(each.key)), ...fingerprints].join(', ')
  const trust = { ...shown, fingerprint, line }
  return expected === ''
    ? failure('host-key-unknown', trust, { evidence: line })
    : failure('host-key-mismatch', { ...trust, expected }, { evidence: line })
}

function describe(key: Buffer): string {
  return `${keyType(key) ?? 'of unknown type'} ${fingerprintOf(key)}`
}
