import { Failure } from '../common/failure.ts'

/** What is known about an attempt to log in, gathered while it runs. */
export interface Attempt {
  /** `user@host:port` */
  readonly address: string
  readonly username: string
  /** What the attempt waits for: a TCP connection, the SSH handshake, or the login. */
  stage: 'reach' | 'handshake' | 'login'
  /** What came before an SSH server named itself, or instead. */
  greeting: string
  /** What the server showed before the login. */
  banner: string
  /** The type of the host key that the server showed. */
  hostKeyType: string | undefined
  /** The host key was the right one. */
  hostVerified: boolean
  /** The login methods that were tried, in order. */
  readonly tried: string[]
  /** The login methods that the server said it would still take. */
  accepted: readonly string[]
  /** The public key as a line for authorized_keys, when a key was given. */
  readonly publicKey: string | undefined
  /** The types of the certificates that the agent holds, none of which was offered. */
  readonly certificates: readonly string[]
  /** What both sides offered in the handshake. */
  readonly offers: string[]
  /** The agent's last complaint: not fatal, other methods may follow. */
  agentError: Error | undefined
}

/** ssh2 adds to its errors where they come from; system errors carry their code. */
interface SshError extends Error {
  readonly level?: string
  readonly code?: string | number
}

/** The failure behind an error that ssh2 emitted before the login was done. */
export function loginFailure(error: SshError, attempt: Attempt): Failure {
  const { address } = attempt
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Failure('host-not-found', `The name of ${address} is not known to DNS (${error.code}).`, {
        remedy:
          'Check the input host for typing errors, and that the name resolves in public, not only at home.',
        cause: error,
      })
    case 'ECONNREFUSED':
      return new Failure('connection-refused', `Nothing accepts connections at ${address}.`, {
        remedy: 'Check host and port, and that sshd runs there and the firewall rejects nobody.',
        cause: error,
      })
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new Failure('host-unreachable', `There is no route to ${address} (${error.code}).`, {
        remedy:
          'Check that the address is public. Hosted runners have no IPv6; a private one needs a jump host.',
        cause: error,
      })
    case 'ETIMEDOUT':
      return timeoutFailure(attempt, error)
  }
  if (error.level === 'client-authentication' || /authentication failures/i.test(error.message)) {
    return loginRefused(error, attempt)
  }
  if (/no matching/i.test(error.message)) return noCommonAlgorithm(error, attempt)
  return connectionReset(error, attempt)
}

/** Whether another try may go better, and harms nobody: no login was refused, and none was tried. */
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

/** The connection ended before the login was done, with or without an error of its own. */
export function connectionReset(error: Error | undefined, attempt: Attempt): Failure {
  const { address, stage, greeting, banner } = attempt
  const said = greeting || banner
  const during = stage === 'login' ? 'during the login' : 'before the SSH handshake was done'
  return new Failure('connection-reset', `${address} closed the connection ${during}.`, {
    remedy:
      'Check that an SSH server listens at this port, and whether the server blocks the address (fail2ban, ' +
      'MaxStartups, DenyUsers, AllowUsers); its log says which.',
    ...evidence([error?.message, said && `it said: ${said.trim()}`].filter(Boolean).join('\n')),
    cause: error,
  })
}

export function timeoutFailure({ address, stage, greeting }: Attempt, cause?: Error): Failure {
  const missing = {
    reach: 'could not be reached',
    handshake: 'accepted the connection, but did not finish the SSH handshake',
    login: 'did not finish the login',
  }[stage]
  return new Failure('connection-timeout', `${address} ${missing} in time (connect-timeout).`, {
    remedy:
      'Check host and port and that the firewall lets the runner in; a slow server needs a longer connect-timeout.',
    ...evidence(greeting && `it said: ${greeting.trim()}`),
    cause,
  })
}

export function connectionLost(address: string, cause?: Error): Failure {
  return new Failure('connection-lost', `The connection to ${address} was lost.`, {
    remedy: 'Check the network between runner and server, and whether the server restarted; then run again.',
    ...evidence(cause?.message),
    cause,
  })
}

export function connectionClosed(address: string): Failure {
  return new Failure('connection-lost', `The connection to ${address} was closed by this side.`)
}

export function execRefused(address: string, cause: Error): Failure {
  return new Failure('exec-refused', `${address} did not run a command.`, {
    remedy:
      'Check that the account may run commands: no ForceCommand, no internal-sftp, MaxSessions not reached.',
    evidence: cause.message,
    cause,
  })
}

/** Reason 1 of a channel that is not opened, `SSH_OPEN_ADMINISTRATIVELY_PROHIBITED` (RFC 4254, 5.1): ssh2 keeps it. */
const PROHIBITED = 1

function isProhibited(error: unknown): boolean {
  return (error as { reason?: unknown } | undefined)?.reason === PROHIBITED
}

export function forwardRefused(jumpHost: string, destination: string, cause: Error): Failure {
  const [what, remedy] = isProhibited(cause)
    ? [
        'does not allow a connection',
        'Allow it in the sshd_config of the jump host for this user (AllowTcpForwarding, PermitOpen, ' +
          'DisableForwarding), and in its authorized_keys (no restrict, no no-port-forwarding).',
      ]
    : [
        'could not connect',
        `The login at the jump host is fine. Check that ${destination} is right as the jump host sees it (name, ` +
          'port), that sshd runs there, and that no firewall stands between the two.',
      ]
  return new Failure('forward-refused', `The jump host ${jumpHost} ${what} to ${destination}.`, {
    remedy,
    evidence: cause.message,
    cause,
  })
}

/** Whatever goes wrong at the jump host itself: the inputs that the remedy names are those for the server. */
export function atJumpHost(failure: Failure, destination: string): Failure {
  return failure.reworded(`At the jump host, on the way to ${destination}: ${failure.message}`, {
    remedy: `${failure.remedy ?? ''} The inputs for the jump host begin with proxy-.`.trim(),
  })
}

export function forwardTimeout(jumpHost: string, destination: string): Failure {
  return new Failure(
    'connection-timeout',
    `The jump host ${jumpHost} did not connect to ${destination} in time (connect-timeout).`,
    { remedy: `Check that the jump host itself reaches ${destination}, and that no firewall drops it.` },
  )
}

export function loginMissing(address: string): Failure {
  return new Failure('login-missing', `There is nothing to log in to ${address} with.`, {
    remedy: 'Set key, or password, or start an agent and export SSH_AUTH_SOCK.',
  })
}

export function passwordExpired(address: string, prompt: string): Failure {
  return new Failure('login-refused', `${address} wants the password to be changed first.`, {
    remedy: 'Log in once by hand and change it, or better, log in with a key.',
    evidence: prompt,
  })
}

/** The server wants more than a password. */
export function questionFailure(questions: readonly string[], { address, username }: Attempt): Failure {
  return new Failure('login-refused', `${address} asks ${username} for more than a password.`, {
    remedy:
      'A second factor or a new password cannot be given here. Log in with a key, and let sshd ask this user ' +
      'for nothing else (Match User … AuthenticationMethods publickey).',
    evidence: `it asked: ${questions.join(' ')}`,
  })
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
  return new Failure('login-refused', `${address} refused the login of ${username} by ${tried.join(', ')}.`, {
    remedy: `Likely causes: ${causes.join('; ')}. The log of sshd names the one.`,
    evidence: seen.join('\n'),
    cause,
  })
}

function noCommonAlgorithm(cause: Error, { address, offers }: Attempt): Failure {
  return new Failure('no-common-algorithm', `${address} and this client have no algorithm in common.`, {
    remedy:
      'Allow one of the local algorithms in sshd_config (KexAlgorithms, HostKeyAlgorithms, Ciphers, MACs). ' +
      'Host certificates and servers that allow post-quantum key exchange only are not supported. If it is the ' +
      'host key, known-hosts holds only types that the server does not have.',
    evidence: [cause.message, ...offers].join('\n'),
    cause,
  })
}

function evidence(text: string | undefined): { evidence?: string } {
  return text ? { evidence: text } : {}
}
