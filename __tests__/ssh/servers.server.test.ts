/** Servers as people have them: real OpenSSH in many configurations, and what a user reads when one does not fit. */
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as dial, createServer } from 'node:net'
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import type { ServerFacts } from '../../src/protocol/messages.ts'
import { openAgent } from '../../src/agent-client/agent-session.ts'
import { connect } from '../../src/ssh/connection.ts'
import type { ConnectOptions } from '../../src/ssh/connection.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { mayUnshare, type Sshd, startSshd, type SshdOptions } from '../support/sshd.ts'

const folder = temporaryFolders()
const PASSWORD = 'correct horse $HOME `id`'
const asRoot = mayUnshare ? describe : describe.skip
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? test : test.skip

let compiled: string
let home: string
const running: Sshd[] = []
const listeners: TcpServer[] = []
const sockets = new Set<Socket>()

beforeAll(() => {
  compiled = compile()
  home = folder()
})

afterEach(async () => {
  for (const sshd of running.splice(0)) await sshd.stop()
  for (const socket of sockets) socket.destroy()
  for (const server of listeners.splice(0)) server.close()
})

afterAll(() => rmSync(compiled, { recursive: true, force: true }))

async function serve(options: SshdOptions = {}): Promise<Sshd> {
  const sshd = await startSshd(options)
  running.push(sshd)
  return sshd
}

function to(sshd: Sshd, changes: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    host: sshd.host,
    port: sshd.port,
    username: sshd.username,
    login: { key: sshd.clientKey },
    hostKey: { fingerprints: [sshd.fingerprint] },
    connectTimeoutMs: 20_000,
    retryPausesMs: [],
    ...changes,
  }
}

/** Logs in, starts the agent through the user's shell, and asks it about the server. */
async function inspect(options: ConnectOptions, timeoutMs = 10_000): Promise<ServerFacts> {
  const connection = await connect(options)
  try {
    const agent = await openAgent(connection, agentOf(compiled, { persist: false }), timeoutMs)
    return await agent.call('inspect', {})
  } finally {
    connection.close()
  }
}

function privateKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

asRoot('a login shell', () => {
  const chatter = 'echo "Welcome to * {json} gapless-0000 ready"; echo moaning >&2'
  const shells: readonly (readonly [string, string])[] = [
    ['sh', '.profile'],
    ['dash', '.profile'],
    ['bash', '.bashrc'],
    ['zsh', '.zshenv'],
    ['fish', '.config/fish/config.fish'],
    ['tcsh', '.tcshrc'],
  ]

  test.each(shells)('%s starts the agent, past a chatty %s', async (name, rc) => {
    const shell = find(name)
    if (shell === undefined) return console.warn(`${name} is not installed: it was not tried`)
    const own = folder()
    mkdirSync(dirname(join(own, rc)), { recursive: true })
    writeFileSync(join(own, rc), `${chatter}\n`)
    const sshd = await serve({ accounts: [{ name: 'deploy', shell, home: own }] })
    expect((await inspect(to(sshd, { username: 'deploy' }))).path.startsWith(own)).toBe(true)
  })

  test.each([
    ['nologin', '/usr/sbin/nologin', 'This account is currently not available.'],
    ['false', '/bin/false', ''],
  ])('%s is named as the reason, with its exit code and its words', async (_, shell, words) => {
    const sshd = await serve({ accounts: [{ name: 'deploy', shell, home }] })
    const failure = await failureOf(inspect(to(sshd, { username: 'deploy' })))
    expect(failure).toMatchObject({
      code: 'no-shell',
      message: expect.stringContaining('exited with code 1'),
    })
    expect(failure.evidence).toBe(words)
    expect(failure.remedy).toContain('nologin')
  })

  test('that is not installed is a refused login, as sshd has it', async () => {
    const sshd = await serve({ accounts: [{ name: 'deploy', shell: '/bin/gone', home }] })
    const failure = await failureOf(inspect(to(sshd, { username: 'deploy' })))
    expect(failure.code).toBe('login-refused')
    expect(failure.remedy).toContain('login shell')
  })

  test('whose startup file waits for an answer is given up', async () => {
    const own = folder()
    writeFileSync(join(own, '.zshenv'), 'read answer\n')
    const shell = find('zsh')
    if (shell === undefined) return
    const sshd = await serve({ accounts: [{ name: 'deploy', shell, home: own }] })
    const failure = await failureOf(inspect(to(sshd, { username: 'deploy' }), 500))
    expect(failure).toMatchObject({ code: 'no-shell', message: expect.stringContaining('0.5 seconds') })
  })

  test('whose startup file never stops talking is given up', async () => {
    const own = folder()
    writeFileSync(join(own, '.bashrc'), 'yes\n')
    const sshd = await serve({ accounts: [{ name: 'deploy', shell: '/bin/bash', home: own }] })
    const failure = await failureOf(inspect(to(sshd, { username: 'deploy' })))
    expect(failure).toMatchObject({
      code: 'no-shell',
      message: expect.stringContaining('1.0 MB came before'),
    })
    expect(failure.evidence?.length).toBeLessThan(20_000)
  })

  function find(name: string): string | undefined {
    const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/bin', '/usr/bin']
    return folders.map((each) => join(each, name)).find((file) => existsSync(file))
  }
})

describe('an account that runs one command alone', () => {
  test.each([
    ['ForceCommand', 'ForceCommand echo only this', 'only this'],
    ['a command that fails', 'ForceCommand echo no entry >&2; exit 9', 'no entry'],
  ])('%s is told with what it printed', async (_, extraConfig, words) => {
    const sshd = await serve({ extraConfig })
    const failure = await failureOf(inspect(to(sshd)))
    expect(failure.code).toBe('no-shell')
    expect(failure.evidence).toContain(words)
    expect(failure.remedy).toContain('ForceCommand')
  })

  test('SFTP is told as the cause of silence', async () => {
    const sshd = await serve({ extraConfig: 'ForceCommand internal-sftp' })
    const failure = await failureOf(inspect(to(sshd), 500))
    expect(failure).toMatchObject({ code: 'no-shell', remedy: expect.stringContaining('ForceCommand') })
  })

  test('sessions that are not allowed are told as such', async () => {
    const sshd = await serve({ extraConfig: 'MaxSessions 0' })
    expect(await failureOf(inspect(to(sshd)))).toMatchObject({ code: 'exec-refused' })
  })
})

describe('the host key', () => {
  const hostKeys = ['ed25519', 'ecdsa', 'rsa'] as const

  test.each(hostKeys)('is found by a fingerprint of any of its types: %s', async (type) => {
    const sshd = await serve({ hostKeys })
    const hostKey = { fingerprints: [sshd.fingerprints[type]] }
    const connection = await connect(to(sshd, { hostKey }))
    connection.close()
  })

  test.each(hostKeys)('of known_hosts alone is asked for: %s', async (type) => {
    const sshd = await serve({ hostKeys })
    const line = readFileSync(join(sshd.folder, `host-${type}.pub`), 'utf8')
    const hostKey = { knownHosts: `[127.0.0.1]:${sshd.port} ${line}`, fingerprints: [] }
    const connection = await connect(to(sshd, { hostKey }))
    connection.close()
  })

  test('may be one of two while it is rotated', async () => {
    const sshd = await serve()
    const hostKey = { fingerprints: [`SHA256:${'A'.repeat(43)}`, sshd.fingerprint] }
    const connection = await connect(to(sshd, { hostKey }))
    connection.close()
  })

  test('that does not match: what was offered and expected, what it may mean, and lines to paste', async () => {
    const sshd = await serve({ hostKeys })
    const wrong = `SHA256:${'A'.repeat(43)}`
    const failure = await failureOf(connect(to(sshd, { hostKey: { fingerprints: [wrong] } })))
    expect(failure.code).toBe('host-key-mismatch')
    expect(failure.message).toBe(
      `"[127.0.0.1]:${sshd.port}" offered the host key "ssh-ed25519 ${sshd.fingerprint}", and "${wrong}" was expected: this may be an attack.`,
    )
    expect(failure.remedy).toMatch(/ssh-keygen -lf/)
    const lines = failure.evidence?.split('\n') ?? []
    expect(lines.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(
      ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'].map((type) => `[127.0.0.1]:${sshd.port} ${type}`),
    )
    // What it says to paste is what works.
    for (const knownHosts of lines) {
      const connection = await connect(to(sshd, { hostKey: { knownHosts, fingerprints: [] } }))
      connection.close()
    }
  })

  test('by a certificate alone is told as not supported', async () => {
    const authority = folder()
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(authority, 'ca')])
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(authority, 'host')])
    execFileSync('ssh-keygen', [
      '-q',
      '-s',
      join(authority, 'ca'),
      '-hI',
      'host',
      '-n',
      '127.0.0.1',
      join(authority, 'host.pub'),
    ])
    const sshd = await serve({
      extraConfig: [
        `HostKey ${join(authority, 'host')}`,
        `HostCertificate ${join(authority, 'host-cert.pub')}`,
        'HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com',
      ].join('\n'),
    })
    const failure = await failureOf(connect(to(sshd)))
    expect(failure.code).toBe('no-common-algorithm')
    expect(failure.remedy).toContain('HostKeyAlgorithms')
    expect(failure.evidence).toContain('ssh-ed25519-cert-v01@openssh.com')
  })

  test('signed by SHA-1 alone is not taken', async () => {
    const sshd = await serve({ hostKeys: ['rsa'], extraConfig: 'HostKeyAlgorithms ssh-rsa' })
    const failure = await failureOf(connect(to(sshd)))
    expect(failure.code).toBe('no-common-algorithm')
  })
})

describe('a key', () => {
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ['Ed25519', ['-t', 'ed25519']],
    ['ECDSA 256', ['-t', 'ecdsa', '-b', '256']],
    ['ECDSA 521', ['-t', 'ecdsa', '-b', '521']],
    ['RSA', ['-t', 'rsa', '-b', '2048']],
    ['RSA in PEM', ['-t', 'rsa', '-b', '2048', '-m', 'PEM']],
    ['RSA in PKCS8', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8']],
    ['ECDSA in PKCS8', ['-t', 'ecdsa', '-m', 'PKCS8']],
    ['ECDSA in PEM', ['-t', 'ecdsa', '-m', 'PEM']],
  ]

  test('of each form logs in, as it is, encrypted, and as a secret store mangles it', async () => {
    const keys = folder()
    const passphrase = 'a pass phrase'
    const made = kinds.flatMap(([name, options], index) =>
      ['', passphrase].map((given) => {
        const file = join(keys, `${index}-${given === '' ? 'plain' : 'locked'}`)
        execFileSync('ssh-keygen', ['-q', ...options, '-N', given, '-f', file])
        return { name, given, text: readFileSync(file, 'utf8'), line: readFileSync(`${file}.pub`, 'utf8') }
      }),
    )
    const authorized = join(keys, 'authorized_keys')
    writeFileSync(authorized, made.map(({ line }) => line).join(''))
    const sshd = await serve({ extraConfig: `AuthorizedKeysFile ${authorized}` })
    const mangled = [
      (text: string) => text,
      (text: string) => text.replaceAll('\n', '\\n'),
      (text: string) => Buffer.from(text.replaceAll('\n', '\r\n')).toString('base64'),
    ]
    for (const { name, given, text } of made) {
      for (const mangle of mangled) {
        const login = { key: mangle(text), ...(given === '' ? {} : { passphrase: given }) }
        const connection = await connect(to(sshd, { login })).catch((error: unknown) => {
          throw new Error(`${name}, ${given === '' ? 'plain' : 'encrypted'}`, { cause: error })
        })
        connection.close()
      }
    }
    expect(made).toHaveLength(2 * kinds.length)
  }, 60_000)
})

asRoot('a password', () => {
  const account = { name: 'deploy', shell: '/bin/sh', home: '/tmp', password: PASSWORD }
  const login = { password: PASSWORD }
  const changes = { username: 'deploy', login }

  test('logs in', async () => {
    const sshd = await serve({ accounts: [account], extraConfig: 'PasswordAuthentication yes' })
    const connection = await connect(to(sshd, changes))
    connection.close()
  })

  test('answers the one question of a server that takes it only so', async () => {
    const sshd = await serve({
      accounts: [account],
      extraConfig: 'UsePAM yes\nKbdInteractiveAuthentication yes',
    })
    const connection = await connect(to(sshd, changes))
    connection.close()
    expect(sshd.logs()).toContain('keyboard-interactive')
  })

  test('that is wrong says which methods were tried, as whom, and nothing of the password', async () => {
    const sshd = await serve({
      accounts: [account],
      extraConfig: 'UsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes',
    })
    const failure = await failureOf(connect(to(sshd, { ...changes, login: { password: 'wrong one' } })))
    expect(failure.code).toBe('login-refused')
    expect(failure.message).toContain('refused the login of "deploy" by password, keyboard-interactive.')
    expect(failure.evidence).toContain('the server takes: publickey,')
    expect(JSON.stringify(failure.toRecord())).not.toContain('wrong one')
    // PAM takes its time with a wrong password, twice here.
  }, 20_000)

  test.each(['publickey,password', 'password,publickey'])('and a key, in this order: %s', async (order) => {
    const sshd = await serve({
      accounts: [account],
      extraConfig: `PasswordAuthentication yes\nAuthenticationMethods ${order}`,
    })
    const both = { ...login, key: sshd.clientKey }
    const connection = await connect(to(sshd, { ...changes, login: both }))
    connection.close()
  })

  test('that has expired is told, and not changed', async () => {
    const sshd = await serve({
      accounts: [account],
      extraConfig: 'UsePAM yes\nKbdInteractiveAuthentication yes',
    })
    const shadow = join(sshd.folder, 'shadow')
    const expired = readFileSync(shadow, 'utf8').replace(/^(deploy:[^:]*):20000:/m, '$1:0:')
    writeFileSync(shadow, expired)
    const failure = await failureOf(connect(to(sshd, changes)))
    expect(failure.code).toBe('login-refused')
    expect(failure.message).toContain('more than a password')
    expect(failure.evidence).toMatch(/password/i)
    expect(readFileSync(shadow, 'utf8')).toBe(expired)
  })
})

asRoot('a jump host', () => {
  test('has a login and an identity of its own', async () => {
    const account = { name: 'jumper', shell: '/usr/sbin/nologin', home, password: PASSWORD }
    const [jump, sshd] = [
      await serve({ accounts: [account], extraConfig: 'PasswordAuthentication yes' }),
      await serve(),
    ]
    const proxy = to(jump, { username: 'jumper', login: { password: PASSWORD } })
    expect(await inspect(to(sshd, { proxy }))).toMatchObject({ platform: 'linux' })
    // The key of the server is no use at the jump host.
    const stranger = to(jump, { username: 'jumper', login: { key: sshd.clientKey } })
    const failure = await failureOf(connect(to(sshd, { proxy: stranger })))
    expect(failure).toMatchObject({
      code: 'login-refused',
      message: expect.stringContaining(`:${jump.port}" `),
    })
  })
})

describe('with a jump host, what goes wrong says at which of the two:', () => {
  const wrong = { fingerprints: [`SHA256:${'A'.repeat(43)}`] }
  const atJump = 'At the jump host, on the way to '

  /** What the way through `jump` ends with; the two differ in their ports. */
  async function failing(
    jumpOptions: SshdOptions,
    jumpChanges: Partial<ConnectOptions>,
    changes: Partial<ConnectOptions> = {},
  ) {
    const [jump, sshd] = [await serve(jumpOptions), await serve()]
    const target = to(sshd, changes)
    const login = { key: sshd.clientKey }
    const proxy = to(jump, jumpChanges)
    const failure = await failureOf(connect({ ...target, login: changes.login ?? login, proxy }))
    return { failure, jump: `127.0.0.1:${jump.port}`, server: `127.0.0.1:${target.port}`, sshd }
  }

  test('another host key at the jump host', async () => {
    const { failure, jump, server, sshd } = await failing({}, { hostKey: wrong })
    expect(failure.code).toBe('host-key-mismatch')
    expect(failure.message).toContain(atJump)
    expect(failure.message).toContain(`[127.0.0.1]:${jump.split(':')[1]}" offered`)
    expect(failure.remedy).toContain('proxy-')
    expect(failure.message).toContain(`@${server}": `)
    // But for the look whether it is there.
    expect(sshd.logs().match(/Connection from/g)).toHaveLength(1)
  })

  test('another host key at the server', async () => {
    const { failure, server } = await failing({}, {}, { hostKey: wrong })
    expect(failure.code).toBe('host-key-mismatch')
    expect(failure.message).toMatch(`[127.0.0.1]:${server.split(':')[1]}" offered`)
    expect(failure.message).not.toContain('jump host')
  })

  test('another key at the jump host', async () => {
    const { failure, jump } = await failing({}, { login: { key: privateKey() } })
    expect(failure).toMatchObject({ code: 'login-refused', message: expect.stringContaining(atJump) })
    expect(failure.message).toContain(`@${jump}" refused the login`)
  })

  test('another key at the server', async () => {
    const { failure, server } = await failing({}, {}, { login: { key: privateKey() } })
    expect(failure).toMatchObject({ code: 'login-refused' })
    expect(failure.message).toContain(`@${server}" refused the login`)
    expect(failure.message).not.toContain('jump host')
  })

  test('nobody at the jump host', async () => {
    const { failure } = await failing({}, { port: 1 })
    expect(failure).toMatchObject({ code: 'connection-refused', message: expect.stringContaining(atJump) })
    expect(failure.message).toContain('127.0.0.1:1".')
  })

  test('nobody at the server, as the jump host finds', async () => {
    const { failure, jump } = await failing({}, {}, { port: 1 })
    expect(failure.code).toBe('forward-refused')
    expect(failure.message).toMatch(/^The jump host \S+ could not connect to \S+:1"\.$/)
    expect(failure.message).toContain(jump)
    expect(failure.remedy).toMatch(/Check from the jump host[^]*firewall/)
  })

  test('a name that only the jump host does not know', async () => {
    const { failure } = await failing({}, {}, { host: 'server.invalid' })
    expect(failure.code).toBe('forward-refused')
    expect(failure.message).toMatch(/^The jump host \S+ could not connect to \S+server\.invalid:\d+"\.$/)
  })

  test.each(['AllowTcpForwarding no', 'PermitOpen 127.0.0.1:9', 'DisableForwarding yes'])(
    'a jump host with %s, which is asked once',
    async (extraConfig) => {
      const lines: string[] = []
      const { failure, jump } = await failing(
        { extraConfig },
        {},
        { retryPausesMs: [10, 10], onLog: (line) => lines.push(line) },
      )
      expect(failure.code).toBe('forward-refused')
      expect(failure.message).toContain(`${jump}" does not allow a connection to `)
      expect(failure.remedy).toMatch(/`AllowTcpForwarding`, `PermitOpen`/)
      expect(lines.filter((line) => line.startsWith('trying again'))).toEqual([])
    },
  )
})

describe('a server that is busy or away', () => {
  const key = privateKey()

  /** A login at a server that will not get as far as a host key. */
  const silent = (port: number): ConnectOptions => ({
    host: '127.0.0.1',
    port,
    username: 'deploy',
    login: { key },
    hostKey: { fingerprints: [`SHA256:${'A'.repeat(43)}`] },
    connectTimeoutMs: 5000,
    retryPausesMs: [],
  })

  async function listening(greet: (socket: Socket, connections: number) => void): Promise<number> {
    let connections = 0
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      greet(socket, (connections += 1))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    listeners.push(server)
    return (server.address() as AddressInfo).port
  }

  test('full by MaxStartups is tried again until there is room', async () => {
    const sshd = await serve({ extraConfig: 'MaxStartups 1:100:1\nLoginGraceTime 20' })
    const blocker = await until('the one place is taken', async () => {
      const socket = dial(sshd.port, sshd.host)
      sockets.add(socket.on('error', () => {}))
      const said = await new Promise((resolve) => socket.once('data', resolve).once('close', resolve))
      // The connection that found out whether sshd is there may still have it.
      return String(said).startsWith('SSH-') ? socket : undefined
    })
    expect(await failureOf(connect(to(sshd)))).toMatchObject({
      code: 'connection-reset',
      remedy: expect.stringContaining('MaxStartups'),
    })
    const lines: string[] = []
    const onLog = (line: string) => {
      lines.push(line)
      if (line.startsWith('trying again')) blocker.destroy()
    }
    const connection = await connect(to(sshd, { retryPausesMs: [200, 200, 200], onLog }))
    connection.close()
    expect(lines.some((line) => /^trying again in 200 ms: [^]*closed the connection/.test(line))).toBe(true)
  })

  test('that restarts is tried again', async () => {
    const [sshd, other] = [await serve(), await serve()]
    await other.stop()
    const failure = await failureOf(connect(to(sshd, { port: other.port, retryPausesMs: [10, 20] })))
    expect(failure).toMatchObject({ code: 'connection-refused', evidence: 'It was tried 3 times.' })
  })

  test('that refuses a login is asked once', async () => {
    const sshd = await serve()
    const retryPausesMs = [10, 10, 10]
    const failure = await failureOf(connect(to(sshd, { login: { key: sshd.otherKey }, retryPausesMs })))
    expect(failure.code).toBe('login-refused')
    expect(sshd.logs().match(/Failed publickey/g)).toHaveLength(1)
  })

  test('that turns addresses away says why in its own words', async () => {
    const port = await listening((socket) => socket.end('Not allowed at this time\r\n'))
    const failure = await failureOf(connect(silent(port)))
    expect(failure).toMatchObject({ code: 'connection-reset' })
    expect(failure.evidence).toContain('it said: Not allowed at this time')
  })

  test('that is no SSH server shows what it is', async () => {
    const port = await listening((socket) => socket.write('220 mail.example.com ESMTP\r\n'))
    const failure = await failureOf(connect({ ...silent(port), connectTimeoutMs: 400 }))
    expect(failure).toMatchObject({ code: 'connection-timeout' })
    expect(failure.evidence).toContain('220 mail.example.com ESMTP')
  })

  test('behind a firewall that drops is given up in time, after a second try', async () => {
    let tries = 0
    const port = await listening(() => (tries += 1))
    const begun = performance.now()
    const failure = await failureOf(
      connect({ ...silent(port), connectTimeoutMs: 600, retryPausesMs: [10, 10, 10] }),
    )
    expect(failure).toMatchObject({
      code: 'connection-timeout',
      message: expect.stringContaining('handshake'),
    })
    expect(performance.now() - begun).toBeLessThan(2000)
    expect(tries).toBe(2)
  })

  test('that hangs once is reached at the second try', async () => {
    const sshd = await serve()
    const port = await listening((socket, connections) => {
      if (connections === 1) return
      const onward = dial(sshd.port, sshd.host)
      sockets.add(onward)
      socket.pipe(onward).pipe(socket)
      onward.on('error', () => {})
    })
    const connection = await connect(to(sshd, { port, connectTimeoutMs: 2000, retryPausesMs: [10] }))
    connection.close()
  })

  thorough(
    'that is stopped in the middle is noticed within a minute',
    async () => {
      const sshd = await serve()
      const connection = await connect(to(sshd))
      const channel = await connection.exec('cat')
      sshd.freeze()
      expect(await failureOf(channel.exit)).toMatchObject({ code: 'connection-lost' })
      expect((await connection.closed)?.code).toBe('connection-lost')
    },
    70_000,
  )
})
