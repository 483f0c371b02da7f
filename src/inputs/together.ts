/** Which inputs are required, and which need another one. */
import type { Problems } from './reader.ts'
import type { InputName, Values } from './table.ts'

const proxyInputs = [
  'proxy-port',
  'proxy-username',
  'proxy-key',
  'proxy-passphrase',
  'proxy-password',
  'proxy-fingerprint',
] as const

/** @param isGiven whether the workflow gives an input, usable or not */
export function checkTogether(
  { command, host }: Values,
  isGiven: (name: InputName) => boolean,
  agentSocket: string | null,
  problems: Problems,
): void {
  if (isGiven('release') && command !== 'rollback') {
    problems.invalid('release', `needs \`command: rollback\`, but the command is ${command}`)
  }
  if (!isGiven('host')) {
    problems.missing('Input `host` is required.', 'Set `host` to the server to deploy to.')
  }
  if (!isGiven('username') && host.some(({ username }) => username === null)) {
    problems.missing(
      'Input `username` is required, unless `host` is written as user@host.',
      'Set `username` to the SSH user that runs the app.',
    )
  }
  if (!isGiven('key') && !isGiven('password') && agentSocket === null) {
    problems.missing(
      'Input `key` is required, unless there is a `password` or an SSH agent (SSH_AUTH_SOCK).',
      'Set `key` to the text of a private key whose public key the server accepts.',
    )
  }
  if (!isGiven('known-hosts') && !isGiven('fingerprint')) {
    problems.missing(
      "Input `known-hosts` or `fingerprint` is required to verify the server's identity.",
      'Set `fingerprint` to what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the server ' +
        '(SHA256:…), or `known-hosts` to the lines of a known_hosts file.',
    )
  }
  if (!isGiven('proxy-host')) {
    for (const name of proxyInputs)
      if (isGiven(name)) problems.invalid(name, 'needs `proxy-host`, which is not set')
  } else if (!isGiven('proxy-fingerprint') && !isGiven('known-hosts')) {
    problems.missing(
      'Input `proxy-fingerprint` is required, unless `known-hosts` has the key of the jump host.',
      "Set `proxy-fingerprint`, or add the jump host's line to `known-hosts`.",
    )
  }
}
