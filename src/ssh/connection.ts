import { connect as dial } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import ssh2, { type ParsedKey } from 'ssh2'
import { failure } from '../common/errors/connect.ts'
import { Failure } from '../common/failure.ts'
import { formatDuration } from '../common/format.ts'
import { certificatesIn } from './agent-certificates.ts'
import { type Context, logIn, type Peer } from './attempt.ts'
import { atJumpHost, isWorthRetrying } from './errors.ts'
import { type HostIdentity, hostKeyPolicy } from './host-key.ts'
import { type Login, methodsOf } from './login.ts'
import { normalizePrivateKey } from './private-key.ts'
import type { Connection, Session } from './session.ts'

export type { Connection } from './session.ts'

export interface Target {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly login: Login
  readonly hostKey: HostIdentity
}

export interface ConnectOptions extends Target {
  /** The jump host. Its host key is checked as strictly as the target's. */
  readonly proxy?: Target | null
  /** To reach the server, through the jump host if there is one, and to log in, with all tries; ms. */
  readonly connectTimeoutMs: number
  /** Pauses in ms between tries that ended before a login was tried. Default: 0.5, 1, 2 and 4 s. */
  readonly retryPausesMs?: readonly number[]
  readonly onLog?: ((line: string) => void) | undefined
}

const RETRY_PAUSES = [500, 1000, 2000, 4000]
/** A handshake that hangs leaves time for a second one. */
const HANDSHAKE_SHARE = 0.5
/**
 * How long one address of a name is tried before the next, in ms. Node's default of 250 gives up on every
 * distant server as soon as its name has a second address (Node 20 to 24).
 */
const ADDRESS_TIMEOUT = 5000

/**
 * Logs in to a server, over a jump host if there is one. Retries what fails before a login was tried, with
 * growing pauses: an overloaded sshd (MaxStartups), a restart, a short network failure. Tries a login once:
 * more would trigger the server's fail2ban.
 * @throws {Failure} the codes of errors.ts, host-key.ts, known-hosts.ts and private-key.ts
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const peer = await withCertificates(prepare(options, 'key'))
  const jumpHost = options.proxy && (await withCertificates(prepare(options.proxy, 'proxy-key')))
  const { connectTimeoutMs, retryPausesMs = RETRY_PAUSES, onLog: log = () => {} } = options
  const expiry = new AbortController()
  const timer = setTimeout(() => expiry.abort(), connectTimeoutMs)
  const handshakeMs = connectTimeoutMs * HANDSHAKE_SHARE
  const context: Context = { deadline: expiry.signal, handshakeMs, log, last: undefined }
  const end = performance.now() + connectTimeoutMs
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return await (jumpHost ? connectThrough(jumpHost, peer, context) : connectDirectly(peer, context))
      } catch (error) {
        const failure = Failure.from(error)
        const pause = retryPausesMs[tries - 1]
        const over = pause === undefined || performance.now() + pause >= end
        if (over || !isWorthRetrying(failure, context.last)) throw afterTries(failure, tries)
        log(`trying again in ${formatDuration(pause)}: ${failure.message}`)
        await delay(pause)
      }
    }
  } finally {
    clearTimeout(timer)
  }
}

function afterTries(failure: Failure, tries: number): Failure {
  if (tries === 1) return failure
  const seen = failure.evidence === undefined ? '' : `${failure.evidence}\n`
  return failure.reworded(failure.message, { evidence: `${seen}It was tried ${tries} times.` })
}

function prepare(target: Target, keyInput: string): Peer {
  const { host, port, username, login } = target
  const address = `${username}@${host.includes(':') ? `[${host}]` : host}:${port}`
  const policy = hostKeyPolicy(target.hostKey, host, port)
  const key = login.key ? parsePrivateKey(login.key, login.passphrase ?? undefined, keyInput) : undefined
  if (methodsOf(login, key).length === 0) throw failure('login-missing', { address })
  return { host, port, username, address, login, key, policy, certificates: [] }
}

/** Notes the certificates that the agent holds, for the message where the login is refused. */
async function withCertificates(peer: Peer): Promise<Peer> {
  const { agentSocket } = peer.login
  if (!agentSocket || !methodsOf(peer.login, peer.key).includes('agent')) return peer
  return { ...peer, certificates: await certificatesIn(agentSocket) }
}

function parsePrivateKey(text: string, passphrase: string | undefined, inputName: string): ParsedKey {
  const key = ssh2.utils.parseKey(normalizePrivateKey(text, passphrase, inputName), passphrase)
  if (key instanceof Error) throw failure('key-damaged', { input: inputName, reason: 'it cannot be read' })
  return key
}

function connectDirectly(peer: Peer, context: Context): Promise<Session> {
  const { host, port } = peer
  // Without noDelay every small exchange costs 46 ms more, even on loopback (ssh2 1.17).
  const open = () =>
    dial({ host, port, noDelay: true, autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT }) as Duplex
  return withAnyKeyType(peer, async () => open(), context)
}

async function connectThrough(jumpHost: Peer, peer: Peer, context: Context): Promise<Session> {
  const jump = await connectDirectly(jumpHost, context).catch((error: unknown) => {
    throw atJumpHost(Failure.from(error), peer.address)
  })
  try {
    const session = await withAnyKeyType(peer, () => forward(jump, peer, context.deadline), context)
    void session.closed.then(() => jump.close())
    return session
  } catch (error) {
    jump.close()
    throw error
  }
}

/**
 * A server shows one of its several keys, and a fingerprint does not tell the key's type: the server is asked
 * for its keys of the other types before it counts as another server.
 */
async function withAnyKeyType(peer: Peer, open: () => Promise<Duplex>, context: Context): Promise<Session> {
  let mismatch: Failure | undefined
  for (let asked: Peer | undefined = peer; asked !== undefined;) {
    try {
      return await logIn(asked, await open(), context)
    } catch (error) {
      const failure = Failure.from(error)
      if (failure.code !== 'host-key-mismatch') throw mismatch ?? failure
      mismatch =
        mismatch?.reworded(mismatch.message, { evidence: `${mismatch.evidence}\n${failure.evidence}` }) ??
        failure
      const policy = asked.policy.without(context.last?.hostKeyType)
      asked = policy && { ...asked, policy }
    }
  }
  throw mismatch
}

/** A jump host may try for minutes to reach an address that does not answer. */
function forward(jump: Session, { host, port, address }: Peer, deadline: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const expire = () =>
      reject(failure('connection-timeout: jump host', { jumpHost: jump.address, destination: address }))
    if (deadline.aborted) return expire()
    deadline.addEventListener('abort', expire, { once: true })
    jump.forward(host, port, address).then(resolve, reject)
  })
}
