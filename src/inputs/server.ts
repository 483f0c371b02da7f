/** The inputs that say which servers, as whom, and how each is known: hosts, login, identity, jump host. */
import { type HostAddress, type HostEntry, hostEntry } from './hosts.ts'
import type { InputReader } from './reader.ts'
import { fingerprint, knownHosts, port, userName } from './values.ts'

export interface Login {
  readonly key: string | undefined
  readonly passphrase: string | undefined
  readonly password: string | undefined
  readonly agentSocket: string | undefined
}

export interface HostIdentity {
  /** `known_hosts` text. */
  readonly knownHosts: string | undefined
  /** `SHA256:` and base64 without padding. */
  readonly fingerprints: readonly string[]
}

/** The jump host. Without fingerprints it is checked against `known-hosts`. */
export interface Proxy extends HostAddress {
  /** What to log in with there: its own, or the server's where it has none. */
  readonly login: Login
  readonly fingerprints: readonly string[]
}

const linesOrCommas = /[\n,]/

export function readHosts(reader: InputReader): readonly HostAddress[] {
  const entries = reader.list('host', hostEntry, linesOrCommas)
  const defaultPort = reader.value('port', port)
  const defaultUsername = reader.optional('username', userName)

  if (reader.text('host') === undefined) {
    reader.missing('Input `host` is required: the server to deploy to', 'Set `host`.')
  }
  const addresses = entries.map((entry) => address(entry, defaultPort, defaultUsername))
  const twice = addresses.find((one, index) => addresses.slice(0, index).some((other) => same(one, other)))
  if (twice !== undefined) {
    reader.invalid('host', `names ${JSON.stringify(twice.host)} twice: expected each server once`)
  }
  const usernameUnknown = reader.text('username') === undefined
  if (usernameUnknown && entries.some((entry) => entry.username === undefined)) {
    reader.missing(
      'Input `username` is required: the SSH user, unless `host` is written as user@host',
      'Set `username` to the user that runs the app.',
    )
  }
  return addresses
}

/** Whoever logs in: the app's port is there only once. */
function same(one: HostAddress, other: HostAddress): boolean {
  return one.port === other.port && one.host.toLowerCase() === other.host.toLowerCase()
}

/** An empty user name has been reported as missing, and never leaves readInputs. */
function address(entry: HostEntry, port: number, username = ''): HostAddress {
  return { host: entry.host, port: entry.port ?? port, username: entry.username ?? username }
}

export function readLogin(reader: InputReader, env: NodeJS.ProcessEnv): Login {
  const login = {
    key: reader.verbatim('key'),
    passphrase: reader.password('passphrase'),
    password: reader.password('password'),
    agentSocket: env['SSH_AUTH_SOCK'] || undefined,
  }
  if (login.key === undefined && login.password === undefined && login.agentSocket === undefined) {
    reader.missing(
      'Input `key` is required: a private key to log in with, unless an agent at SSH_AUTH_SOCK or `password` does',
      'Set `key` to the text of a private key whose public key the server accepts.',
    )
  }
  return login
}

export function readHostIdentity(reader: InputReader): HostIdentity {
  const identity = {
    knownHosts: reader.optional('known-hosts', knownHosts),
    fingerprints: reader.list('fingerprint', fingerprint, linesOrCommas),
  }
  if (reader.text('known-hosts') === undefined && reader.text('fingerprint') === undefined) {
    reader.missing(
      "Input `known-hosts` or `fingerprint` is required: the server's identity, without which anyone could pose as it",
      'Set `fingerprint` to what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the server ' +
        '(SHA256:…), or `known-hosts` to the lines of a known_hosts file.',
    )
  }
  return identity
}

const proxyInputs = [
  'proxy-port',
  'proxy-username',
  'proxy-key',
  'proxy-passphrase',
  'proxy-password',
  'proxy-fingerprint',
] as const

export function readProxy(
  reader: InputReader,
  target: HostAddress | undefined,
  login: Login,
  identity: HostIdentity,
): Proxy | undefined {
  const entry = reader.optional('proxy-host', hostEntry)
  const proxyPort = reader.optional('proxy-port', port) ?? 22
  const username = reader.optional('proxy-username', userName) ?? target?.username
  const key = reader.verbatim('proxy-key')
  const passphrase = reader.password('proxy-passphrase')
  const password = reader.password('proxy-password')
  const fingerprints = reader.list('proxy-fingerprint', fingerprint, linesOrCommas)

  if (reader.text('proxy-host') === undefined) {
    for (const name of proxyInputs) {
      if (reader.verbatim(name) !== undefined) {
        reader.invalid(name, 'is given without `proxy-host`: expected only together with it')
      }
    }
    return undefined
  }
  if (reader.text('proxy-fingerprint') === undefined && identity.knownHosts === undefined) {
    reader.missing(
      "Input `proxy-fingerprint` is required: the jump host's identity, unless `known-hosts` holds it",
      "Set `proxy-fingerprint`, or add the jump host's line to `known-hosts`.",
    )
  }
  if (entry === undefined) return undefined
  return {
    ...address(entry, proxyPort, username),
    login: proxyLogin({ key, passphrase, password, agentSocket: undefined }, login),
    fingerprints,
  }
}

/** The jump host sees the server's password only where that is all there is to log in with. */
function proxyLogin(own: Login, server: Login): Login {
  if (own.key !== undefined || own.password !== undefined) return own
  if (server.key === undefined) return server
  return { ...own, key: server.key, passphrase: own.passphrase ?? server.passphrase }
}
