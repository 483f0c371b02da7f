/** Which servers, as whom, and how each is known: the inputs in the words of ssh. */
import { failure } from '../common/errors/inputs.ts'
import type { Target } from '../ssh/connection.ts'
import type { HostEntry } from './hosts.ts'
import type { Problems } from './reader.ts'
import type { Values } from './table.ts'

type Address = Pick<Target, 'host' | 'port' | 'username'>

/** @param agentSocket of the runner, to log in with where there is no key */
export function targetsFrom(
  values: Values,
  agentSocket: string | null,
  problems: Problems,
): readonly Target[] {
  const { host: entries, username, key, passphrase, password } = values
  const hostKey = { knownHosts: values['known-hosts'], fingerprints: values.fingerprint }
  const login = { key, passphrase, password, agentSocket }
  // An empty user name has been reported as missing, and never leaves readInputs.
  const targets = entries.map((entry) => ({
    ...addressOf(entry, values.port, username ?? ''),
    login,
    hostKey,
  }))
  const twice = targets.find((one, index) => targets.slice(0, index).some((other) => isSame(one, other)))
  if (twice !== undefined) problems.add(failure('invalid-input: server named twice', { host: twice.host }))
  return targets
}

export function proxyFrom(values: Values, [target]: readonly Target[]): Target | null {
  const entry = values['proxy-host']
  if (entry === null || target === undefined) return null
  const [key, password] = [values['proxy-key'], values['proxy-password']]
  const own = { key, passphrase: values['proxy-passphrase'], password, agentSocket: null }
  const fingerprints = values['proxy-fingerprint']
  return {
    ...addressOf(entry, values['proxy-port'] ?? 22, values['proxy-username'] ?? target.username),
    login: proxyLogin(own, target.login),
    // The server's fingerprint never identifies the jump host.
    hostKey: { knownHosts: fingerprints.length > 0 ? null : values['known-hosts'], fingerprints },
  }
}

function addressOf(entry: HostEntry, port: number, username: string): Address {
  return { host: entry.host, port: entry.port ?? port, username: entry.username ?? username }
}

/** Whoever logs in: the app's port is there only once. */
function isSame(one: Address, other: Address): boolean {
  return one.port === other.port && one.host.toLowerCase() === other.host.toLowerCase()
}

type Login = Target['login']

/** The jump host sees the server's password only where that is all there is to log in with. */
function proxyLogin(own: Login, server: Login): Login {
  if (own.key || own.password) return own
  if (!server.key) return server
  return { ...own, key: server.key, passphrase: own.passphrase ?? server.passphrase ?? null }
}
