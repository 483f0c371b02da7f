/** A small SSH server for the demo: one user, one key, commands only, on 127.0.0.1. Not for any other use. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import ssh2 from 'ssh2'
import type { AuthContext, Connection, ParsedKey, ServerChannel } from 'ssh2'

export interface SshServerOptions {
  readonly username: string
  /** The whole environment of a command. */
  readonly env: Readonly<Record<string, string>>
  /** The working directory of a command. */
  readonly home: string
  /** The keys that log in, as PEM and OpenSSH text; new ones unless given. */
  readonly clientKeys?: { readonly private: string; readonly public: string }
}

export interface SshServer {
  readonly port: number
  /** The private key that logs in. */
  readonly clientKey: string
  /** The server's identity as a known_hosts line. */
  readonly knownHosts: string
  close(): Promise<void>
}

export async function startSshServer({
  username,
  env,
  home,
  clientKeys = makeKeys(),
}: SshServerOptions): Promise<SshServer> {
  const hostKeys = makeKeys()
  const allowed = ssh2.utils.parseKey(clientKeys.public)
  if (allowed instanceof Error) throw allowed

  const connections = new Set<Connection>()
  const ssh = new ssh2.Server({ hostKeys: [hostKeys.private] }, (connection) => {
    connections.add(connection)
    connection.on('close', () => connections.delete(connection))
    // A client that goes away without a goodbye is no event for the server.
    connection.on('error', () => undefined)
    connection.on('authentication', (login) => {
      if (mayLogIn(login, username, allowed)) login.accept()
      else login.reject(['publickey'])
    })
    connection.on('session', (accept) => {
      // Whatever else a session may ask for (shell, pty, sftp, forwarding), ssh2 refuses by itself.
      accept().on('exec', (acceptExec, _reject, { command }) => run(command, acceptExec()))
    })
  })
  const run = (command: string, channel: ServerChannel) => execute(command, channel, env, home)

  // Without noDelay every small exchange waits for the one before (ssh2 1.17).
  const server = createServer({ noDelay: true }, (socket) => ssh.injectSocket(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    clientKey: clientKeys.private,
    knownHosts: `[127.0.0.1]:${port} ${hostKeys.public}`,
    async close() {
      for (const connection of connections) connection.end()
      server.close()
      await once(server, 'close')
    },
  }
}

/** One in 256 Ed25519 keys that ssh2 makes cannot be read (ssh2 1.17); all of 3,000 ECDSA keys could. */
export function makeKeys() {
  return ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 })
}

/** A client first asks whether a key would do, then signs. */
function mayLogIn(login: AuthContext, username: string, allowed: ParsedKey): boolean {
  if (login.method !== 'publickey' || login.username !== username) return false
  const { key, signature, blob, hashAlgo } = login
  if (key.algo !== allowed.type || !key.data.equals(allowed.getPublicSSH())) return false
  // Against its types, ssh2 (1.17) answers with an error where the signature does not fit the key.
  const valid: unknown = signature === undefined || allowed.verify(blob!, signature, hashAlgo)
  return valid === true
}

/** As sshd does without a terminal: a session of its own, and no signal when the connection ends. */
function execute(command: string, channel: ServerChannel, env: SshServerOptions['env'], home: string): void {
  const child = spawn('/bin/sh', ['-c', command], { cwd: home, env, stdio: 'pipe', detached: true })
  for (const stream of [channel, child.stdin, child.stdout, child.stderr]) {
    stream.on('error', () => undefined)
  }
  channel.pipe(child.stdin)
  child.stdout.pipe(channel, { end: false })
  child.stderr.pipe(channel.stderr, { end: false })

  let connected = true
  child.once('exit', (code, signal) => {
    if (!connected) return
    if (code !== null) channel.exit(code)
    else channel.exit((signal ?? 'SIGKILL').slice('SIG'.length))
  })
  child.once('error', () => channel.exit(127))
  child.once('close', () => channel.end())
  channel.once('close', () => {
    connected = false
    child.stdin.end()
    child.stdout.destroy()
    child.stderr.destroy()
  })
}
