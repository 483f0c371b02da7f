import { failure } from '../common/errors/connect.ts'
import type { Failure } from '../common/failure.ts'

/** What an attempt to log in has shown so far. */
export interface Attempt {
  /** `user@host:port` */
  readonly address: string
  readonly username: string
  /** What the attempt waits for: a TCP connection, the SSH handshake, or the login. */
  stage: 'reach' | 'handshake' | 'login'
  /** What the server sent before its SSH identification, or instead. */
  greeting: string
  banner: string
  hostKeyType: string | undefined
  hostVerified: boolean
  readonly tried: string[]
  /** The login methods that the server said it would still take. */
  accepted: readonly string[]
  /** The public key as a line for authorized_keys, when a key was given. */
  readonly publicKey: string | undefined
  /** The types of the certificates that the agent holds, none of which was offered. */
  readonly certificates: readonly string[]
  /** What both sides offered in the handshake. */
  readonly offers: string[]
  /** The agent's last error. It is not fatal: other methods may follow. */
  agentError: Error | undefined
}

/** ssh2 adds a level to its errors, and system errors have a code. */
interface SshError extends Error {
  readonly level?: string
  readonly code?: string | number
}

/** Returns the failure behind an error that ssh2 emitted before the login was complete. */
export function loginFailure(error: SshError, attempt: Attempt): Failure {
  const { address } = attempt
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return failure('host-not-found', { address, reason: error.code }, { cause: error })
    case 'ECONNREFUSED':
      return failure('connection-refused', { address }, { cause: error })
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return failure('host-unreachable', { address, reason: error.code }, { cause: error })
    case 'ETIMEDOUT':
      return timeoutFailure(attempt, error)
  }
  if (error.level === 'client-authentication' || /authentication failures/i.test(error.message)) {
    return loginRefused(error, attempt)
  }
  if (/no matching/i.test(error.message)) {
    const offered = [error.message, ...attempt.offers].join('\n')
    return failure('no-common-algorithm', { address }, { evidence: offered, cause: error })
  }
  return connectionReset(error, attempt)
}

/** Whether to try again: yes as long as no login was tried, which a server's fail2ban would count. */
export function isWorthRetrying(failure: Failure, last: Attempt | undefined): boolean {
  switch (failure.code) {
    case 'connection-refused':
    case 'host-unreachable':
      return true
    case 'forward-refused':
      return !isProhibited(failure.cause)
    case 'host-not-found':
      return (failure.cause as SshError | undefined)?.code === 'EAI_AGAIN'
    case 'connection-reset':
    case 'connection-timeout':
      return last?.stage !== 'login'
    default:
      return false
  }
}

/** The server closed the connection before the login was complete. */
export function connectionReset(error: Error | undefined, attempt: Attempt): Failure {
  const { address, stage, greeting, banner } = attempt
  const said = greeting || banner
  const key = stage === 'login' ? 'connection-reset: login' : 'connection-reset'
  return failure(
    key,
    { address },
    {
      ...evidence([error?.message, said && `it said: ${said.trim()}`].filter(Boolean).join('\n')),
      cause: error,
    },
  )
}

export function timeoutFailure({ address, stage, greeting }: Attempt, cause?: Error): Failure {
  const key = (
    {
      reach: 'connection-timeout',
      handshake: 'connection-timeout: handshake',
      login: 'connection-timeout: login',
    } as const
  )[stage]
  return failure(key, { address }, { ...evidence(greeting && `it said: ${greeting.trim()}`), cause })
}

export function connectionLost(address: string, cause?: Error): Failure {
  return failure('connection-lost', { address }, { ...evidence(cause?.message), cause })
}

/** Reason 1 of a refused channel, `SSH_OPEN_ADMINISTRATIVELY_PROHIBITED` (RFC 4254, 5.1); ssh2 keeps it. */
const PROHIBITED = 1

function isProhibited(error: unknown): boolean {
  return (error as { reason?: unknown } | undefined)?.reason === PROHIBITED
}

export function forwardRefused(jumpHost: string, destination: string, cause: Error): Failure {
  return failure(
    isProhibited(cause) ? 'forward-refused: prohibited' : 'forward-refused',
    { jumpHost, destination },
    { evidence: cause.message, cause },
  )
}

/** Says of a failure that it happened at the jump host: the remedy names the inputs for the server. */
export function atJumpHost(failure: Failure, destination: string): Failure {
  return failure.reworded(`At the jump host, on the way to "${destination}": ${failure.message}`, {
    remedy: `${failure.remedy ?? ''} The inputs for the jump host begin with \`proxy-\`.`.trim(),
  })
}

export function questionFailure(questions: readonly string[], { address, username }: Attempt): Failure {
  return failure(
    'login-refused: second factor',
    { address, username },
    { evidence: `it asked: ${questions.join(' ')}` },
  )
}

function loginRefused(cause: Error, attempt: Attempt): Failure {
  const { address, username, tried, accepted, publicKey, certificates, agentError, banner } = attempt
  const causes = [
    ...(certificates.length === 0
      ? []
      : [`the agent holds a user certificate (${certificates.join(', ')}), which is not supported yet`]),
    `${username} is the wrong user, is locked, or has a login shell that is not installed`,
    ...(publicKey === undefined
      ? []
      : [
          `the public key is not in ~${username}/.ssh/authorized_keys`,
          `~${username}, ~${username}/.ssh or authorized_keys may be written by others (chmod go-w)`,
        ]),
    ...(tried.includes('agent') ? ['the agent is not running or holds no key that the server knows'] : []),
    ...(tried.includes('password') ? ['the password is wrong or the server takes none'] : []),
  ]
  const seen = [
    ...(publicKey === undefined ? [] : [`public key: ${publicKey}`]),
    ...(accepted.length === 0 ? [] : [`the server takes: ${accepted.join(', ')}`]),
    ...(agentError === undefined ? [] : [`agent: ${agentError.message}`]),
    ...(banner === '' ? [] : [`it said: ${banner}`]),
    cause.message,
  ]
  return failure(
    'login-refused',
    { address, username, methods: tried.join(', '), causes: causes.join('; ') },
    { evidence: seen.join('\n'), cause },
  )
}

function evidence(text: string | undefined): { evidence?: string } {
  return text ? { evidence: text } : {}
}
