import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as dial, createServer } from 'node:net'
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import ssh2 from 'ssh2'
import type { AuthContext, Connection as Peer, ServerChannel, ServerConfig } from 'ssh2'
import { Failure } from '../../src/common/failure.ts'
import { connect } from '../../src/ssh/connection.ts'
import type { ConnectOptions, Connection, Target } from '../../src/ssh/connection.ts'
import { startSshAgent } from '../support/ssh-agent.ts'

interface TestKey {
  readonly privateKey: string
  readonly blob: Buffer
  readonly fingerprint: string
}

/** ssh2's own server: it knows one user and one key, and the commands of `run` below. */
interface TestServer {
  readonly port: number
  /** The login methods that clients tried, in order. */
  readonly tried: string[]
  /** The peers that are connected, for cutting them off. */
  readonly sockets: Set<Socket>
}

const USER = 'deploy'
const PASSWORD = 'open sesame'

let folder: string
let hostKey: TestKey
let userKey: TestKey
let otherKey: TestKey
const open: { close(): unknown }[] = []
const sockets = new Set<Socket>()

function makeKey(name: string): TestKey {
  const file = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
  return {
    privateKey: readFileSync(file, 'utf8'),
    blob: Buffer.from(readFileSync(`${file}.pub`, 'utf8').split(' ')[1] ?? '', 'base64'),
    fingerprint: execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' }).split(' ')[1] ?? '',
  }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'connection-'))
  hostKey = makeKey('host')
  userKey = makeKey('user')
  otherKey = makeKey('other')
})

afterEach(() => {
  for (const one of open.splice(0)) one.close()
  for (const socket of sockets) socket.destroy()
  sockets.clear()
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function listen(server: Pick<TcpServer, 'listen' | 'address' | 'close'>): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  open.push(server)
  return (server.address() as AddressInfo).port
}

function run(command: string, channel: ServerChannel, cut: () => void): void {
  switch (command) {
    case 'upper':
      channel.stderr.write('done')
      channel.on('data', (chunk: Buffer) => channel.write(chunk.toString().toUpperCase()))
      channel.on('end', () => {
        channel.exit(3)
        channel.end()
      })
      break
    case 'killed':
      channel.exit('TERM', false, '')
      channel.end()
      break
    case 'no status':
      channel.end()
      break
    case 'half':
      channel.write('half', cut)
      break
  }
}

/** @param methods the login methods that the server takes */
async function startServer(
  methods: readonly AuthContext['method'][] = ['publickey'],
  config: Partial<ServerConfig> = {},
): Promise<TestServer> {
  const tried: string[] = []
  const peers = new Set<Socket>()
  const ssh = new ssh2.Server({ hostKeys: [hostKey.privateKey], ...config })
  ssh.on('connection', (peer) => {
    peer.on('error', () => {})
    peer.on('authentication', (context) => {
      if (tried.at(-1) !== context.method) tried.push(context.method)
      authenticate(context, methods)
    })
    peer.on('session', (accept) => {
      accept().on('exec', (acceptExec, reject, { command }) => {
        if (command === 'refused') reject()
        else if (command === 'cut') cutAll(peers)
        else run(command, acceptExec(), () => cutAll(peers))
      })
    })
    forwardFor(peer)
  })
  // A TCP server of its own, because ssh2 hides the sockets that the tests want to cut.
  const tcp = createServer((socket) => {
    sockets.add(socket)
    peers.add(socket)
    ssh.injectSocket(socket)
  })
  return { port: await listen(tcp), tried, sockets: peers }
}

function authenticate(context: AuthContext, methods: readonly AuthContext['method'][]): void {
  const refuse = () => context.reject(methods as never)
  if (context.username !== USER || !methods.includes(context.method)) return refuse()
  switch (context.method) {
    case 'publickey':
      return context.key.data.equals(userKey.blob) ? context.accept() : refuse()
    case 'password':
      return context.password === PASSWORD ? context.accept() : refuse()
    case 'keyboard-interactive':
      return context.prompt([{ prompt: 'Password: ', echo: false }], ([answer]) =>
        answer === PASSWORD ? context.accept() : refuse(),
      )
    default:
      return refuse()
  }
}

/** What a jump host does. */
function forwardFor(peer: Peer): void {
  peer.on('tcpip', (accept, reject, { destIP, destPort }) => {
    const socket = dial(destPort, destIP)
    sockets.add(socket)
    socket.once('error', () => reject())
    socket.once('connect', () => {
      const channel = accept()
      socket.on('error', () => channel.end())
      socket.pipe(channel).pipe(socket)
    })
  })
}

function cutAll(peers: ReadonlySet<Socket>): void {
  for (const socket of peers) socket.destroy()
}

function target(port: number, changes: Partial<Target> = {}): ConnectOptions {
  return {
    host: '127.0.0.1',
    port,
    username: USER,
    login: { key: userKey.privateKey },
    hostKey: { fingerprints: [hostKey.fingerprint] },
    connectTimeoutMs: 10_000,
    retryPausesMs: [],
    ...changes,
  }
}

async function connected(options: ConnectOptions): Promise<Connection> {
  const connection = await connect(options)
  open.push(connection)
  return connection
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof Failure) return outcome
  throw outcome ?? new Error('it did not fail')
}

describe('a login', () => {
  test('with the right key succeeds at the first try and tells what happens', async () => {
    const server = await startServer()
    const lines: string[] = []
    const connection = await connected({ ...target(server.port), onLog: (line) => lines.push(line) })
    expect(connection.address).toBe(`deploy@127.0.0.1:${server.port}`)
    expect(server.tried).toEqual(['publickey'])
    expect(lines).toEqual([
      `connected to ${connection.address}`,
      `logged in to ${connection.address} by publickey`,
    ])
  })

  test('with another key is refused, naming user, host, method, causes and the public key', async () => {
    const { port } = await startServer()
    const failure = await failureOf(connect(target(port, { login: { key: otherKey.privateKey } })))
    expect(failure.code).toBe('login-refused')
    expect(failure.message).toBe(`"deploy@127.0.0.1:${port}" refused the login of "deploy" by publickey.`)
    expect(failure.remedy).toContain('~deploy/.ssh/authorized_keys')
    expect(failure.evidence).toContain(`ssh-ed25519 ${otherKey.blob.toString('base64')}`)
  })

  test('with a password succeeds', async () => {
    const server = await startServer(['password'])
    await connected(target(server.port, { login: { password: PASSWORD } }))
    expect(server.tried).toEqual(['password'])
  })

  test('with a password answers a prompt where the server takes no password as such', async () => {
    const server = await startServer(['keyboard-interactive'])
    await connected(target(server.port, { login: { password: PASSWORD } }))
    expect(server.tried).toEqual(['password', 'keyboard-interactive'])
  })

  test('tries the key first, then the password, and nothing that the server does not take', async () => {
    const server = await startServer(['publickey', 'password'])
    const login = { key: otherKey.privateKey, password: 'wrong', agentSocket: '/nowhere' }
    const failure = await failureOf(connect(target(server.port, { login })))
    expect(server.tried).toEqual(['publickey', 'password'])
    expect(failure.message).toContain('by publickey, password.')
    expect(JSON.stringify(failure.toRecord())).not.toContain('wrong"')
  })

  test('goes on with the password when there is no agent', async () => {
    const server = await startServer(['publickey', 'password'])
    const agentSocket = join(folder, 'no-agent')
    await connected(target(server.port, { login: { agentSocket, password: PASSWORD } }))
    expect(server.tried).toEqual(['password'])
    const failure = await failureOf(connect(target(server.port, { login: { agentSocket } })))
    expect(failure.code).toBe('login-refused')
    expect(failure.evidence).toContain('Failed to connect to agent')
  })

  test('says that a certificate in the agent is not supported', async () => {
    const server = await startServer(['publickey'])
    const agentSocket = join(folder, 'agent-of-a-certificate')
    const agent = await startSshAgent(agentSocket, otherKey.privateKey)
    try {
      const [authority, file] = [join(folder, 'authority'), join(folder, 'certified')]
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', authority])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file])
      execFileSync('ssh-keygen', ['-q', '-s', authority, '-I', 'test', '-n', 'deploy', `${file}.pub`])
      execFileSync('ssh-add', ['-q', file], { env: { ...process.env, SSH_AUTH_SOCK: agentSocket } })
      const failure = await failureOf(connect(target(server.port, { login: { agentSocket } })))
      expect(failure.code).toBe('login-refused')
      expect(failure.remedy).toContain(
        'the agent holds a user certificate (ssh-ed25519-cert-v01@openssh.com), which is not supported yet',
      )
    } finally {
      agent.stop()
    }
  })

  test('with nothing, or with a bad key, fails before the server hears of it', async () => {
    const server = await startServer()
    expect((await failureOf(connect(target(server.port, { login: {} })))).code).toBe('login-missing')
    const badKey = connect(target(server.port, { login: { key: 'nonsense' } }))
    expect((await failureOf(badKey)).code).toBe('key-not-a-key')
    expect(server.sockets.size).toBe(0)
  })
})

describe('a server', () => {
  test('with another host key is refused before it sees a login', async () => {
    const server = await startServer()
    const failure = await failureOf(
      connect(target(server.port, { hostKey: { fingerprints: [otherKey.fingerprint] } })),
    )
    expect(failure.code).toBe('host-key-mismatch')
    expect(failure.message).toContain(hostKey.fingerprint)
    expect(server.tried).toEqual([])
  })

  test('that nobody listens for is reported as refused', async () => {
    const { port } = await startServer()
    for (const server of open.splice(0)) server.close()
    expect((await failureOf(connect(target(port)))).code).toBe('connection-refused')
  })

  test('whose name does not exist is reported as not found', async () => {
    const failure = await failureOf(connect(target(22, { host: 'gapless.invalid' })))
    expect(failure.code).toBe('host-not-found')
  })

  test('that never answers is given up after the timeout', async () => {
    const port = await listen(createServer((socket) => sockets.add(socket)))
    const failure = await failureOf(connect({ ...target(port), connectTimeoutMs: 200 }))
    expect(failure.code).toBe('connection-timeout')
    expect(failure.message).toContain('handshake')
  })

  test('that hangs up before the handshake is reported as a reset', async () => {
    const port = await listen(createServer((socket) => socket.end()))
    expect((await failureOf(connect(target(port)))).code).toBe('connection-reset')
  })

  test('that shares no algorithm is reported with what it offers', async () => {
    const { port } = await startServer(['publickey'], { algorithms: { cipher: ['aes256-cbc'] } })
    const failure = await failureOf(connect(target(port)))
    expect(failure.code).toBe('no-common-algorithm')
    expect(failure.evidence).toContain('aes256-cbc')
  })
})

describe('a command', () => {
  test('reads stdin, writes stdout and stderr, and ends with its exit code', async () => {
    const { port } = await startServer()
    const channel = await (await connected(target(port))).exec('upper')
    channel.end('gapless')
    const [stdout, stderr, exit] = await Promise.all([text(channel), text(channel.stderr), channel.exit])
    expect(stdout).toBe('GAPLESS')
    expect(stderr).toBe('done')
    expect(exit).toEqual({ code: 3, signal: undefined })
  })

  test('ended by a signal says which', async () => {
    const { port } = await startServer()
    const channel = await (await connected(target(port))).exec('killed')
    expect(await channel.exit).toEqual({ code: null, signal: 'SIGTERM' })
  })

  test('that ends without a status has failed', async () => {
    const { port } = await startServer()
    const channel = await (await connected(target(port))).exec('no status')
    const [failure] = await Promise.all([failureOf(channel.exit), text(channel)])
    expect(failure.code).toBe('exit-status-missing')
  })

  test('that the server refuses to run fails, and the connection goes on', async () => {
    const { port } = await startServer()
    const connection = await connected(target(port))
    expect((await failureOf(connection.exec('refused'))).code).toBe('exec-refused')
    expect((await (await connection.exec('killed')).exit).signal).toBe('SIGTERM')
  })
})

describe('a connection that drops', () => {
  test('rejects a command that is about to start', async () => {
    const { port } = await startServer()
    const connection = await connected(target(port))
    expect((await failureOf(connection.exec('cut'))).code).toBe('connection-lost')
    expect((await connection.closed)?.code).toBe('connection-lost')
    expect((await failureOf(connection.exec('upper'))).code).toBe('connection-lost')
  })

  test('fails the reader of a running command, instead of looking like the end of its output', async () => {
    const { port } = await startServer()
    const channel = await (await connected(target(port))).exec('half')
    const [output, stderr, exit] = await Promise.all([
      failureOf(text(channel)),
      failureOf(text(channel.stderr)),
      failureOf(channel.exit),
    ])
    expect([output.code, stderr.code, exit.code]).toEqual(Array(3).fill('connection-lost'))
  })

  test('harms nobody who does not listen', async () => {
    const { port } = await startServer()
    const connection = await connected(target(port))
    await connection.exec('half')
    expect((await connection.closed)?.code).toBe('connection-lost')
  })
})

describe('close()', () => {
  test('ends the connection without a failure, at both ends', async () => {
    const server = await startServer()
    const connection = await connected(target(server.port))
    const [socket] = server.sockets
    const ended = new Promise((resolve) => socket?.once('close', resolve))
    connection.close()
    expect(await connection.closed).toBeUndefined()
    await ended
    expect((await failureOf(connection.exec('upper'))).code).toBe('connection-lost')
  })

  test('fails what still runs', async () => {
    const { port } = await startServer()
    const connection = await connected(target(port))
    const channel = await connection.exec('upper')
    connection.close()
    expect((await failureOf(channel.exit)).code).toBe('connection-lost')
    expect((await failureOf(text(channel))).code).toBe('connection-lost')
  })
})

describe('a jump host', () => {
  test('carries the connection', async () => {
    const jump = await startServer()
    const server = await startServer()
    const connection = await connected({ ...target(server.port), proxy: target(jump.port) })
    const channel = await connection.exec('upper')
    channel.end('through')
    expect(await text(channel)).toBe('THROUGH')
    expect([jump.tried, server.tried]).toEqual([['publickey'], ['publickey']])
  })

  test('is left when the connection is closed', async () => {
    const jump = await startServer()
    const server = await startServer()
    const connection = await connected({ ...target(server.port), proxy: target(jump.port) })
    const [socket] = jump.sockets
    const ended = new Promise((resolve) => socket?.once('close', resolve))
    connection.close()
    await ended
    expect(await connection.closed).toBeUndefined()
  })

  test('is checked as strictly as the server', async () => {
    const jump = await startServer()
    const server = await startServer()
    const wrong = { hostKey: { fingerprints: [otherKey.fingerprint] } }
    const atJump = connect({ ...target(server.port), proxy: target(jump.port, wrong) })
    expect((await failureOf(atJump)).message).toContain(`:${jump.port}`)
    expect(jump.tried).toEqual([])
    const atServer = await failureOf(connect({ ...target(server.port, wrong), proxy: target(jump.port) }))
    expect(atServer.code).toBe('host-key-mismatch')
    expect(atServer.message).toContain(`:${server.port}`)
    expect(server.tried).toEqual([])
  })

  test('that cannot reach the server is told from a server that is down', async () => {
    const jump = await startServer()
    const failure = await failureOf(connect({ ...target(1), proxy: target(jump.port) }))
    expect(failure.code).toBe('forward-refused')
    expect(failure.message).toContain(`${jump.port}" could not connect to "deploy@127.0.0.1:1"`)
  })

  test('shares the one timeout with the server behind it', async () => {
    const jump = await startServer()
    const port = await listen(createServer((socket) => sockets.add(socket)))
    const failure = await failureOf(
      connect({ ...target(port), proxy: target(jump.port), connectTimeoutMs: 500 }),
    )
    expect(failure.code).toBe('connection-timeout')
    expect(failure.message).toContain(`:${port}" `)
  })

  test('that drops takes the connection with it', async () => {
    const jump = await startServer()
    const server = await startServer()
    const connection = await connected({ ...target(server.port), proxy: target(jump.port) })
    const channel = await connection.exec('upper')
    cutAll(jump.sockets)
    expect((await failureOf(channel.exit)).code).toBe('connection-lost')
    expect((await connection.closed)?.code).toBe('connection-lost')
  })

  test('does not hide that the server behind it is gone', async () => {
    const jump = await startServer()
    const server = await startServer()
    const connection = await connected({ ...target(server.port), proxy: target(jump.port) })
    cutAll(server.sockets)
    expect((await connection.closed)?.code).toBe('connection-lost')
  })
})
