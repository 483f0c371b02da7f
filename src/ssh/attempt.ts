/** One attempt to log in to one server, over an open transport. */
import type { Duplex } from 'node:stream'
import ssh2, { type AnyAuthMethod, type CipherAlgorithm, type Client, type ParsedKey } from 'ssh2'
import { failure } from '../common/errors/connect.ts'
import { Failure } from '../common/failure.ts'
import { type Attempt, connectionReset, loginFailure, questionFailure, timeoutFailure } from './errors.ts'
import type { HostKeyPolicy } from './host-key.ts'
import { keyType } from './known-hosts.ts'
import { type Login, type Method, methodsOf, passwordPrompt, queueOf } from './login.ts'
import { Session } from './session.ts'

/** A target whose inputs are known to be usable, before any network is touched. */
export interface Peer {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly address: string
  readonly login: Login
  readonly key: ParsedKey | undefined
  readonly policy: HostKeyPolicy
  readonly certificates: readonly string[]
}

/** What the hops of one connection attempt share. */
export interface Context {
  /** Aborts when `connect-timeout` is over. */
  readonly deadline: AbortSignal
  /** How long the handshake may take, in ms, so that there is time for another try. */
  readonly handshakeMs: number
  readonly log: (line: string) => void
  /** The running attempt, or the last one. */
  last: Attempt | undefined
}

const KEEPALIVE_INTERVAL = 10_000
const KEEPALIVE_COUNT = 3
/** How much of the server's text before its SSH identification is shown, in bytes. */
const LONGEST_GREETING = 500
/** How much of a login banner is shown, in characters. */
const LONGEST_BANNER = 2000

/** GCM first: in ssh2's JavaScript it costs 5 % of a core at 100 Mbit/s, the least of all (ssh2 1.17). */
const CIPHERS: CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
  'chacha20-poly1305@openssh.com',
]

/** Logs in once. @throws {Failure} the codes of errors.ts and host-key.ts */
export function logIn(peer: Peer, transport: Duplex, context: Context): Promise<Session> {
  const { deadline, log } = context
  const client = new ssh2.Client()
  const attempt = startAttempt(peer)
  context.last = attempt
  return new Promise((resolve, reject) => {
    const fail = (failure: Failure) => {
      reject(failure)
      transport.destroy()
    }
    const expire = () => fail(timeoutFailure(attempt))
    const handshake = setTimeout(expire, context.handshakeMs)
    deadline.addEventListener('abort', expire, { once: true })
    transport.once('close', () => clearTimeout(handshake))
    watch(client, attempt, log, fail)
    client.on('handshake', () => clearTimeout(handshake))
    client.on('ready', () => {
      deadline.removeEventListener('abort', expire)
      // ssh2 (1.17) never gets here without asking for the host key; this line must hold whatever else changes.
      if (!attempt.hostVerified) return fail(connectionReset(undefined, attempt))
      log(`logged in to ${peer.address} by ${attempt.tried.at(-1)}`)
      resolve(new Session(peer.address, client, transport))
    })
    const verifyHost = (key: Buffer) => {
      attempt.hostKeyType = keyType(key)
      const verdict = peer.policy.verify(key)
      attempt.hostVerified = verdict === true
      if (verdict !== true) fail(verdict)
      return verdict === true
    }
    if (deadline.aborted) return expire()
    try {
      client.connect(clientConfig(peer, attempt, transport, verifyHost, fail))
    } catch (error) {
      fail(Failure.from(error))
    }
    // After ssh2's own listener, because this starts the stream.
    listen(transport, attempt)
  })
}

function startAttempt({ address, username, key, certificates }: Peer): Attempt {
  return {
    address,
    username,
    stage: 'reach',
    greeting: '',
    banner: '',
    hostKeyType: undefined,
    hostVerified: false,
    tried: [],
    accepted: [],
    publicKey: key && `${key.type} ${key.getPublicSSH().toString('base64')}`,
    certificates,
    offers: [],
    agentError: undefined,
  }
}

/** Keeps what a server sends before its SSH identification: there an overloaded sshd or another server shows. */
function listen(transport: Duplex, attempt: Attempt): void {
  const hear = (chunk: Buffer) => {
    attempt.greeting += chunk.toString('latin1', 0, LONGEST_GREETING - attempt.greeting.length)
    const named = /^SSH-/m.exec(attempt.greeting)
    if (named !== null) attempt.greeting = attempt.greeting.slice(0, named.index)
    if (named !== null || attempt.greeting.length >= LONGEST_GREETING) transport.off('data', hear)
  }
  transport.on('data', hear)
}

/** Follows an attempt to its end. The listeners stay: ssh2 emits a second 'error' after the one that counts. */
function watch(
  client: Client,
  attempt: Attempt,
  log: (line: string) => void,
  fail: (failure: Failure) => void,
) {
  client.on('connect', () => {
    attempt.stage = 'handshake'
    log(`connected to ${attempt.address}`)
  })
  client.on('handshake', () => {
    attempt.stage = 'login'
  })
  client.on('banner', (message) => {
    attempt.banner = message.trim().slice(0, LONGEST_BANNER)
    log(attempt.banner)
  })
  client.on('change password', (prompt) => {
    const { address } = attempt
    fail(failure('login-refused: password expired', { address }, { evidence: prompt }))
  })
  client.on('error', (error: Error & { level?: string }) => {
    // After an agent's error ssh2 continues with the next method.
    if (error.level === 'agent') attempt.agentError = error
    else fail(loginFailure(error, attempt))
  })
  client.on('end', () => fail(connectionReset(undefined, attempt)))
  client.on('close', () => fail(connectionReset(undefined, attempt)))
}

function clientConfig(
  { username, login, key, policy }: Peer,
  attempt: Attempt,
  transport: Duplex,
  hostVerifier: (key: Buffer) => boolean,
  fail: (failure: Failure) => void,
) {
  const [password, agentSocket] = [login.password ?? '', login.agentSocket ?? '']
  const queue = queueOf(methodsOf(login, key))
  const send = (method: Method): AnyAuthMethod | false => {
    switch (method) {
      case 'publickey':
        return key === undefined ? false : { type: method, username, key }
      case 'agent':
        return { type: method, username, agent: agentSocket }
      case 'password':
        return { type: method, username, password }
      case 'keyboard-interactive':
        return passwordPrompt(username, password, (questions) => fail(questionFailure(questions, attempt)))
      default:
        return false
    }
  }
  return {
    sock: transport,
    username,
    hostVerifier,
    // The caller keeps the deadline, over all hops.
    readyTimeout: 0,
    keepaliveInterval: KEEPALIVE_INTERVAL,
    keepaliveCountMax: KEEPALIVE_COUNT,
    algorithms: { cipher: CIPHERS, serverHostKey: [...policy.algorithms] },
    authHandler: (accepted: readonly string[] | null, partial: boolean | null) => {
      attempt.accepted = accepted ?? []
      const method = queue.next(attempt.accepted, partial === true)
      if (method === undefined) return false
      attempt.tried.push(method)
      return send(method)
    },
    debug: (line: string) => {
      // "(local)" and "(remote)" lines name the algorithms of both sides; rekeying repeats them.
      if (attempt.stage !== 'login' && line.startsWith('Handshake: (')) attempt.offers.push(line)
    },
  }
}
