import { connect as dial } from 'node:net'
import type { Duplex } from 'node:stream'
import ssh2 from 'ssh2'
import type { AnyAuthMethod, CipherAlgorithm, Client, ParsedKey } from 'ssh2'
import { Failure } from '../protocol/failure.ts'
import {
  connectionReset,
  forwardTimeout,
  loginFailure,
  loginMissing,
  passwordExpired,
  timeoutFailure,
} from './errors.ts'
import type { Attempt } from './errors.ts'
import { hostKeyPolicy } from './host-key.ts'
import type { HostKeyInputs, HostKeyPolicy } from './host-key.ts'
import { normalizePrivateKey } from './private-key.ts'
import { Session } from './session.ts'
import type { Connection } from './session.ts'

export type { Connection } from './session.ts'

export interface Login {
  readonly key?: string | undefined
  readonly passphrase?: string | undefined
  readonly password?: string | undefined
  /** Path of an agent's socket, asked only when there is no key. */
  readonly agentSocket?: string | undefined
}

export interface Target {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly login: Login
  readonly hostKey: HostKeyInputs
}

export interface ConnectOptions extends Target {
  /** The jump host. Its host key is checked as strictly as the target's. */
  readonly proxy?: Target | undefined
  /** To reach the server, through the jump host if there is one, and to log in; ms. */
  readonly connectTimeoutMs: number
  readonly onLog?: ((line: string) => void) | undefined
}

/** A target whose inputs are proven usable, before any network is touched. */
interface Peer {
  readonly target: Target
  readonly address: string
  readonly policy: HostKeyPolicy
  readonly key: ParsedKey | undefined
  readonly methods: readonly AnyAuthMethod[]
}

/** What one connection attempt shares among its hops. */
interface Context {
  readonly deadline: AbortSignal
  readonly log: (line: string) => void
}

const KEEPALIVE_INTERVAL = 10_000
const KEEPALIVE_COUNT = 3

/** GCM first: in ssh2's JavaScript it costs 5 % of a core at 100 Mbit/s, the least of all (ssh2 1.17). */
const CIPHERS: CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
  'chacha20-poly1305@openssh.com',
]

/**
 * Logs in to a server, once, over a jump host if there is one.
 * @throws {Failure} the codes of errors.ts, host-key.ts, known-hosts.ts and private-key.ts
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const peer = prepare(options, 'key')
  const jumpHost = options.proxy && prepare(options.proxy, 'proxy-key')
  const expiry = new AbortController()
  const timer = setTimeout(() => expiry.abort(), options.connectTimeoutMs)
  const context: Context = { deadline: expiry.signal, log: options.onLog ?? (() => {}) }
  try {
    return jumpHost ? await connectThrough(jumpHost, peer, context) : await connectDirectly(peer, context)
  } finally {
    clearTimeout(timer)
  }
}

function prepare(target: Target, keyInput: string): Peer {
  const { host, port, username, login } = target
  const address = `${username}@${host.includes(':') ? `[${host}]` : host}:${port}`
  const policy = hostKeyPolicy(target.hostKey, host, port)
  const key = login.key === undefined ? undefined : parsePrivateKey(login.key, login.passphrase, keyInput)
  const methods = loginMethods(username, login, key)
  if (methods.length === 0) throw loginMissing(address)
  return { target, address, policy, key, methods }
}

function parsePrivateKey(text: string, passphrase: string | undefined, inputName: string): ParsedKey {
  const key = ssh2.utils.parseKey(normalizePrivateKey(text, passphrase, inputName), passphrase)
  if (key instanceof Error) throw new Failure('key-damaged', `The key in the input ${inputName} is damaged.`)
  return key
}

function loginMethods(username: string, login: Login, key: ParsedKey | undefined): readonly AnyAuthMethod[] {
  const { agentSocket, password } = login
  return [
    ...(key ? [{ type: 'publickey', username, key } as const] : []),
    ...(agentSocket && !key ? [{ type: 'agent', username, agent: agentSocket } as const] : []),
    ...(password ? passwordMethods(username, password) : []),
  ]
}

/** Servers with PAM often take a password as the answer to a prompt only. */
function passwordMethods(username: string, password: string): readonly AnyAuthMethod[] {
  return [
    { type: 'password', username, password },
    {
      type: 'keyboard-interactive',
      username,
      prompt: (_name, _instructions, _language, prompts, answer) => answer(prompts.map(() => password)),
    },
  ]
}

function connectDirectly(peer: Peer, context: Context): Promise<Session> {
  const { host, port } = peer.target
  // Without noDelay every small exchange costs 46 ms more, even on loopback (ssh2 1.17).
  return logIn(peer, dial({ host, port, noDelay: true }), context)
}

async function connectThrough(jumpHost: Peer, peer: Peer, context: Context): Promise<Session> {
  const jump = await connectDirectly(jumpHost, context)
  try {
    const session = await logIn(peer, await forward(jump, peer, context.deadline), context)
    void session.closed.then(() => jump.close())
    return session
  } catch (error) {
    jump.close()
    throw error
  }
}

/** A jump host may try for minutes to reach an address that does not answer. */
function forward(jump: Session, { target, address }: Peer, deadline: AbortSignal): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const expire = () => reject(forwardTimeout(jump.address, address))
    if (deadline.aborted) return expire()
    deadline.addEventListener('abort', expire, { once: true })
    jump.forward(target.host, target.port, address).then(resolve, reject)
  })
}

function logIn(peer: Peer, transport: Duplex, { deadline, log }: Context): Promise<Session> {
  const { address, policy } = peer
  const client = new ssh2.Client()
  const attempt = startAttempt(peer)
  return new Promise((resolve, reject) => {
    const fail = (failure: Failure) => {
      reject(failure)
      transport.destroy()
    }
    const expire = () => fail(timeoutFailure(attempt))
    deadline.addEventListener('abort', expire, { once: true })
    watch(client, attempt, log, fail)
    client.on('ready', () => {
      deadline.removeEventListener('abort', expire)
      log(`logged in to ${address} by ${attempt.tried.at(-1)}`)
      resolve(new Session(address, client, transport))
    })
    const verifyHost = (key: Buffer) => {
      const verdict = policy.verify(key)
      if (verdict !== true) fail(verdict)
      return verdict === true
    }
    if (deadline.aborted) return expire()
    try {
      client.connect(clientConfig(peer, attempt, transport, verifyHost))
    } catch (error) {
      fail(Failure.from(error))
    }
  })
}

function startAttempt({ address, target, key }: Peer): Attempt {
  return {
    address,
    username: target.username,
    stage: 'reach',
    tried: [],
    accepted: [],
    publicKey: key && `${key.type} ${key.getPublicSSH().toString('base64')}`,
    offers: [],
    agentError: undefined,
  }
}

/** Follows an attempt to its end. Listeners stay: ssh2 emits a second 'error' after the one that counts. */
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
  client.on('banner', (message) => log(message.trimEnd()))
  client.on('change password', (prompt) => fail(passwordExpired(attempt.address, prompt)))
  client.on('error', (error: Error & { level?: string }) => {
    // After an agent's error ssh2 goes on with the next method by itself.
    if (error.level === 'agent') attempt.agentError = error
    else fail(loginFailure(error, attempt))
  })
  client.on('end', () => fail(connectionReset(undefined, attempt)))
  client.on('close', () => fail(connectionReset(undefined, attempt)))
}

function clientConfig(
  peer: Peer,
  attempt: Attempt,
  transport: Duplex,
  hostVerifier: (key: Buffer) => boolean,
) {
  const { target, policy, methods } = peer
  const queue = [...methods]
  return {
    sock: transport,
    username: target.username,
    hostVerifier,
    // The deadline is kept here, over all hops.
    readyTimeout: 0,
    keepaliveInterval: KEEPALIVE_INTERVAL,
    keepaliveCountMax: KEEPALIVE_COUNT,
    algorithms: {
      cipher: CIPHERS,
      ...(policy.algorithms ? { serverHostKey: policy.algorithms } : {}),
    },
    authHandler: (accepted: readonly string[] | null) => {
      attempt.accepted = accepted ?? []
      const next = queue.find((method) => mayTry(method, attempt.accepted))
      if (next === undefined) return false
      queue.splice(0, queue.indexOf(next) + 1)
      attempt.tried.push(next.type)
      return next
    },
    debug: (line: string) => {
      // "(local)" and "(remote)" lines name the algorithms of both sides; rekeying repeats them.
      if (attempt.stage !== 'login' && line.startsWith('Handshake: (')) attempt.offers.push(line)
    },
  }
}

/** A method that the server does not take is only one more failure in the books of its fail2ban. */
function mayTry({ type }: AnyAuthMethod, accepted: readonly string[]): boolean {
  return accepted.length === 0 || accepted.includes(type === 'agent' ? 'publickey' : type)
}
