/** Reaching a server, checking its identity, logging in and starting the agent. */
import { failures } from './raise.ts'
import type { ErrorTexts } from './text.ts'

const ACCEPTED = 'an RSA, ECDSA or Ed25519 private key, from -----BEGIN … to -----END …, is accepted'
const TRUST =
  'On the server itself, run `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub`. Only if it prints "{fingerprint}", put this line into `known-hosts`: `{line}`.'
const REACH =
  'Check `host` and `port`, and that the firewall lets the runner in. For a slow server, raise `connect-timeout`.'
const LISTENS =
  'Check that an SSH server listens on this port, and that it does not block the runner (fail2ban, `MaxStartups`, `DenyUsers`, `AllowUsers`): its log says which.'

export const texts = {
  'host-not-found': {
    message: 'DNS does not know the name in "{address}" ({reason}).',
    remedy: 'Check `host` for typos, and that the name resolves on the public internet.',
  },
  'host-unreachable': {
    message: 'There is no route to "{address}" ({reason}).',
    remedy: 'Use a public IPv4 address, a jump host (`proxy-host`) or a self-hosted runner.',
    cause: 'A private address, or an IPv6 address: GitHub’s hosted runners have no IPv6.',
  },
  'connection-refused': {
    message: 'Nothing accepts connections at "{address}".',
    remedy: 'Check `host` and `port`, that sshd runs there, and that the firewall lets the runner in.',
  },
  'connection-timeout': {
    message: '"{address}" could not be reached within `connect-timeout`.',
    remedy: REACH,
    cause: 'A firewall that drops packets, or a private address without `proxy-host`.',
  },
  'connection-timeout: handshake': {
    message: '"{address}" did not complete the SSH handshake within `connect-timeout`.',
    remedy: REACH,
  },
  'connection-timeout: login': {
    message: '"{address}" did not complete the login within `connect-timeout`.',
    remedy: REACH,
  },
  'connection-timeout: jump host': {
    message: 'The jump host "{jumpHost}" did not connect to "{destination}" within `connect-timeout`.',
    remedy: 'Check that the jump host reaches "{destination}", and that no firewall drops the packets.',
  },
  'connection-timeout: agent': {
    message: 'The agent on "{address}" did not answer within `connect-timeout`.',
    remedy: 'Check the server’s load and its disks. For a slow server, raise `connect-timeout`.',
  },
  'connection-reset': {
    message: '"{address}" closed the connection before the SSH handshake was complete.',
    remedy: LISTENS,
  },
  'connection-reset: login': {
    message: '"{address}" closed the connection during the login.',
    remedy: LISTENS,
  },
  'connection-lost': {
    message: 'The connection to "{address}" was lost.',
    remedy: 'Check the network and whether the server restarted, then deploy again.',
    cause:
      'After the swap the server finishes or restores without the runner, which tries to reach it for 3 minutes. Only if that fails is `status` `down`.',
  },
  'connection-lost: closed': {
    message: 'The runner closed the connection to "{address}".',
    remedy: 'Run the job again.',
  },
  'connection-lost: agent': {
    message: 'The connection to the agent on the server was lost.',
    remedy: 'Check the network and whether the server restarted, then deploy again.',
  },
  'connection-lost: killed': {
    message: 'The agent on the server was killed by {signal}.',
    remedy: 'Look for `Out of memory` in `dmesg` on the server, then deploy again.',
  },
  'connection-lost: silent': {
    message: 'The agent on the server did not respond for {limit} (operation "{operation}").',
    remedy: 'Check the server’s load and its disks, then deploy again.',
  },
  'forward-refused': {
    message: 'The jump host "{jumpHost}" could not connect to "{destination}".',
    remedy:
      'Check from the jump host that "{destination}" is right (name and port), that sshd runs there, and that no firewall stands between them.',
  },
  'forward-refused: prohibited': {
    message: 'The jump host "{jumpHost}" does not allow a connection to "{destination}".',
    remedy:
      'Allow forwarding for this user in sshd_config of the jump host (`AllowTcpForwarding`, `PermitOpen`, `DisableForwarding`) and in its authorized_keys (no `restrict`, no `no-port-forwarding`).',
  },
  'no-common-algorithm': {
    message: '"{address}" and the runner have no SSH algorithm in common.',
    remedy:
      'Allow one of the local algorithms from the evidence in sshd_config (`KexAlgorithms`, `HostKeyAlgorithms`, `Ciphers`, `MACs`), or add the server’s other host keys to `known-hosts`.',
    cause: 'Host certificates, SHA-1 signatures and post-quantum-only servers are not supported.',
  },
  'host-identity-missing': {
    message: 'No input says which host key "{host}" must have.',
    remedy:
      'Set `known-hosts` to the lines of `ssh-keyscan`, or `fingerprint` to the `SHA256:…` of the host key, after comparing them with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the server itself.',
    cause: '[Getting started](getting-started.md#2-the-servers-identity) shows how to get them safely.',
  },
  'host-key-unknown': {
    message: '`known-hosts` has no key for "{host}", which offered "{offered}".',
    remedy: TRUST,
  },
  'host-key-mismatch': {
    message:
      '"{host}" offered the host key "{offered}", and "{expected}" was expected: this may be an attack.',
    remedy: TRUST,
    cause: 'The server was reinstalled or has new keys, or another machine answers in its place.',
  },
  'host-key-revoked': {
    message: '"{host}" offered the host key "{offered}", which `known-hosts` marks as @revoked.',
    remedy: 'Give the server new host keys, and put their lines into `known-hosts`.',
  },
  'host-certificate-unsupported': {
    message:
      '`known-hosts` names only a certificate authority for "{host}", and host certificates are not supported.',
    remedy: 'Add the line of the server’s own key, from /etc/ssh/ssh_host_ed25519_key.pub, to `known-hosts`.',
  },
  'known-hosts-malformed': {
    message: 'Line {line} of `known-hosts` cannot be used: {reason}.',
    remedy: 'Paste the lines as `ssh-keyscan <host>` prints them, after comparing the keys with the server.',
  },
  'fingerprint-malformed': {
    message:
      'The host key fingerprint "{given}" cannot be used: `SHA256:` followed by 43 base64 characters is accepted.',
    remedy:
      'Run `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the server, and copy the `SHA256:…` part.',
  },
  'login-missing': {
    message: 'There is nothing to log in to "{address}" with.',
    remedy: 'Set `key` or `password`, or start an SSH agent and export `SSH_AUTH_SOCK`.',
  },
  'login-refused': {
    message: '"{address}" refused the login of "{username}" by {methods}.',
    remedy: 'Read the reason in sshd’s log on the server. Likely causes: {causes}.',
  },
  'login-refused: password expired': {
    message: '"{address}" requires a new password first.',
    remedy: 'Log in once by hand and change the password, or log in with a `key`.',
  },
  'login-refused: second factor': {
    message: '"{address}" asks "{username}" for more than a password.',
    remedy:
      'Log in with a `key`, and let sshd require nothing else of this user (`AuthenticationMethods publickey`).',
  },
  'key-empty': {
    message: `\`{input}\` is empty: ${ACCEPTED}.`,
    remedy: 'Check the name of the secret. Workflows of forks and of Dependabot get no secrets.',
  },
  'key-is-public': {
    message: `\`{input}\` holds a public key: ${ACCEPTED}.`,
    remedy: 'Use the file without `.pub`. The public key belongs into ~/.ssh/authorized_keys on the server.',
  },
  'key-not-a-key': {
    message: `\`{input}\` holds no private key: ${ACCEPTED}.`,
    remedy: 'Paste the content of the key file into the secret, not its path or its name.',
  },
  'key-damaged': {
    message: 'The key in `{input}` is damaged: {reason}.',
    remedy: 'Paste the whole key file again, including its first and its last line.',
  },
  'key-type-unsupported': {
    message: `The key in \`{input}\` has the unsupported type "{type}": ${ACCEPTED}.`,
    remedy: 'Make a new key for deploys: `ssh-keygen -t ed25519 -N "" -f deploy_key`.',
  },
  'key-type-unsupported: PuTTY': {
    message: `\`{input}\` holds a PuTTY key: ${ACCEPTED}.`,
    remedy: 'Convert the key: `puttygen key.ppk -O private-openssh -o key`.',
  },
  'key-passphrase-missing': {
    message: 'The key in `{input}` is encrypted, and `{passphraseInput}` is empty.',
    remedy: 'Set `{passphraseInput}`, or use a key without a passphrase.',
  },
  'key-passphrase-wrong': {
    message: '`{passphraseInput}` does not open the key in `{input}`.',
    remedy:
      'Check the passphrase with `ssh-keygen -yf <key file>`. If it is right, paste the whole key again.',
  },
  'certificate-unsupported': {
    message: '`{input}` holds a user certificate ({type}), and certificates are not supported yet.',
    remedy: 'Use the private key alone, and add its public key to ~/.ssh/authorized_keys on the server.',
    cause: '`TrustedUserCAKeys` lets certificates in, not the keys that they belong to.',
  },
  'exec-refused': {
    message: '"{address}" did not run a command.',
    remedy:
      'Allow the account to run commands: no `ForceCommand`, no `internal-sftp`, a higher `MaxSessions`.',
  },
  'exit-status-missing': {
    message: 'The server ended a command without an exit status.',
    remedy: 'Look for `Out of memory` in `dmesg` and into sshd’s log on the server, then run the job again.',
  },
  'no-shell': {
    message: 'The server did not start the agent: {reason}.',
    remedy:
      'Make `ssh <user>@<host> "/bin/sh -c \'echo ok\'"` print ok: the user needs a login shell that runs commands, without `nologin`, `ForceCommand`, or a startup file that waits.',
  },
  'no-shell: start': {
    message: 'The server did not start a command within {limit}.',
    remedy: 'Check the server’s load, and that `ssh <user>@<host> true` ends.',
  },
  'server-not-linux': {
    message: 'The server runs "{platform}", and only Linux is supported.',
    remedy: 'Deploy to a Linux server.',
  },
  'same-host': {
    message: '"{first}" and "{second}" are the same folder "{path}" of one server.',
    remedy: 'Name each server once in `host`.',
  },
} as const satisfies ErrorTexts

export const failure = failures(texts)
