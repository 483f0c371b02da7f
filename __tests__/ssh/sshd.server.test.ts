import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import { connect } from '../../src/ssh/connection.ts'
import type { ConnectOptions, Connection } from '../../src/ssh/connection.ts'
import { startSshAgent } from '../support/ssh-agent.ts'
import { startSshd } from '../support/sshd.ts'
import type { Sshd } from '../support/sshd.ts'

/** The same connection as in connection.test.ts, against the OpenSSH that is installed. */

let home: string
let sshd: Sshd

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'home of-'))
  sshd = await startSshd({ env: { HOME: home, PATH: `${home}/bin:/usr/bin:/bin`, PM2_HOME: `${home}/.pm2` } })
})

afterAll(async () => {
  await sshd.stop()
  rmSync(home, { recursive: true, force: true })
})

function options(changes: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    host: sshd.host,
    port: sshd.port,
    username: sshd.username,
    login: { key: sshd.clientKey },
    hostKey: { knownHosts: sshd.hostPublicKeyLine, fingerprints: [] },
    connectTimeoutMs: 10_000,
    retryPausesMs: [],
    ...changes,
  }
}

async function using<T>(given: ConnectOptions, action: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connect(given)
  try {
    return await action(connection)
  } finally {
    connection.close()
  }
}

async function output(connection: Connection, command: string, input = ''): Promise<string> {
  const channel = await connection.exec(command)
  channel.end(input)
  const [stdout, , { code }] = await Promise.all([text(channel), text(channel.stderr), channel.exit])
  expect(code).toBe(0)
  return stdout
}

async function failureOf(promise: Promise<unknown>): Promise<Failure> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (outcome instanceof Failure) return outcome
  throw outcome ?? new Error('it did not fail')
}

describe('against OpenSSH', () => {
  test('a command runs, with input, output and exit code', async () => {
    await using(options(), async (connection) => {
      const channel = await connection.exec('cat; echo oops >&2; exit 7')
      channel.end('hello')
      const all = await Promise.all([text(channel), text(channel.stderr), channel.exit])
      expect(all).toEqual(['hello', 'oops\n', { code: 7, signal: undefined }])
    })
  })

  test('the exit code arrives even when the output ends long before the command', async () => {
    await using(options(), async (connection) => {
      const channel = await connection.exec('exec >&- 2>&-; cat; exit 5')
      expect(await text(channel)).toBe('')
      expect(await channel.exit).toEqual({ code: 5, signal: undefined })
    })
  })

  test('commands that run side by side keep their output apart', async () => {
    await using(options(), async (connection) => {
      const outputs = await Promise.all(
        ['a', 'b', 'c', 'd'].map((name) => output(connection, `echo ${name}`)),
      )
      expect(outputs).toEqual(['a\n', 'b\n', 'c\n', 'd\n'])
    })
  })

  test('more than one window goes through in both directions', async () => {
    const content = 'gapless\n'.repeat(1_000_000)
    await using(options(), async (connection) => {
      expect((await output(connection, 'cat', content)) === content).toBe(true)
    })
  })

  test('the host is accepted by its fingerprint as well, and refused by another', async () => {
    const right = { fingerprints: [sshd.fingerprint] }
    expect(await using(options({ hostKey: right }), (connection) => output(connection, 'echo in'))).toBe(
      'in\n',
    )
    const wrong = { fingerprints: [`SHA256:${'A'.repeat(43)}`] }
    expect((await failureOf(connect(options({ hostKey: wrong })))).code).toBe('host-key-mismatch')
  })

  test('another key is refused, and sshd takes keys only', async () => {
    const failure = await failureOf(connect(options({ login: { key: sshd.otherKey, password: 'no' } })))
    expect(failure.code).toBe('login-refused')
    expect(failure.message).toContain('by publickey.')
    expect(failure.evidence).toContain('the server takes: publickey')
    expect(sshd.logs()).toContain('publickey')
  })

  test('a key of an agent logs in', async () => {
    const agent = await startSshAgent(join(home, 'agent'), sshd.clientKey)
    try {
      const login = { agentSocket: agent.socket }
      expect(await using(options({ login }), (connection) => output(connection, 'echo in'))).toBe('in\n')
    } finally {
      agent.stop()
    }
  })

  test('sshd is its own jump host', async () => {
    const jump = options()
    expect(await using(options({ proxy: jump }), (connection) => output(connection, 'echo far'))).toBe(
      'far\n',
    )
    const refused = await failureOf(
      connect(options({ port: 1, hostKey: { fingerprints: [sshd.fingerprint] }, proxy: jump })),
    )
    expect(refused.code).toBe('forward-refused')
    expect(refused.evidence).toMatch(/connect/i)
  })

  test('a connection that is cut fails the running command', async () => {
    const connection = await connect(options())
    const channel = await connection.exec('echo started; cat')
    await new Promise((resolve) => channel.once('data', resolve))
    sshd.dropConnections()
    expect((await failureOf(channel.exit)).code).toBe('connection-lost')
    expect((await failureOf(text(channel))).code).toBe('connection-lost')
    expect((await connection.closed)?.code).toBe('connection-lost')
  })
})

describe('a session that has nothing to do, as while the app is built,', () => {
  test('stays up where the server removes those that do not answer', async () => {
    const strict = await startSshd({ extraConfig: 'ClientAliveInterval 1\nClientAliveCountMax 1' })
    const { host, port, username } = strict
    try {
      const given = {
        ...options({ host, port, username, login: { key: strict.clientKey } }),
        hostKey: { knownHosts: strict.hostPublicKeyLine, fingerprints: [] },
      }
      await using(given, async (connection) => {
        const channel = await connection.exec('cat')
        // Time itself is what it has to live through: an unanswered one is cut after two seconds.
        await delay(4000)
        channel.end('still there')
        expect(await text(channel)).toBe('still there')
        expect(await output(connection, 'echo more')).toBe('more\n')
      })
    } finally {
      await strict.stop()
    }
  }, 15_000)
})

describe('the sshd of the tests', () => {
  test('gives every session the environment that was asked for', async () => {
    await using(options(), async (connection) => {
      expect(await output(connection, 'printf "%s\\n" "$HOME" "$PATH" "$PM2_HOME"')).toBe(
        `${home}\n${home}/bin:/usr/bin:/bin\n${home}/.pm2\n`,
      )
    })
  })

  test('still starts sessions in the home of the account', async () => {
    await using(options(), async (connection) => {
      expect((await output(connection, 'pwd -P')).trim()).toBe(realpathSync(userInfo().homedir))
    })
  })
})
