/** A server that means harm: whatever it says, the run ends with a failure that has a code, and in time. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Failure } from '../../src/common/failure.ts'
import { encodeFrame, encodeMessage, frameKind } from '../../src/protocol/frames.ts'
import { openAgent, type Remote } from '../../src/agent-client/agent-session.ts'
import { connect } from '../../src/ssh/connection.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { localShell } from '../support/local-shell.ts'
import { attack, hostile, hostileJson, record } from './attack.ts'

const folder = temporaryFolders()
const bootstrap = {
  source: Buffer.from('//'),
  persist: false,
  path: 'apps/site',
  options: { appName: 'site', binPath: [] },
}

/** The far end of a command: it knows the sentinel, as a hostile server does, and says what it likes. */
function hostileEnd(say: (sentinel: string) => readonly (Buffer | string)[], end: boolean): Remote {
  return {
    async exec(command) {
      const [sentinel] = /gapless-[0-9a-f]{24}/.exec(command) ?? []
      if (sentinel === undefined) throw new Error('the command has no sentinel to answer with')
      const out = new PassThrough()
      for (const chunk of say(sentinel)) out.write(chunk)
      if (end) out.end()
      const channel = Duplex.from({ readable: out, writable: new PassThrough().resume() })
      return Object.assign(channel, { stderr: new PassThrough() })
    },
  }
}

describe('instead of an agent', () => {
  const keys = ['id', 'kind', 'value', 'code', 'message', 'live', 'releases', 'workers', 'lock', 'journal']
  const frame = fc.oneof(
    hostileJson(keys).map((text) => encodeFrame(frameKind.message, Buffer.from(text))),
    hostileJson(keys).map((value) =>
      encodeFrame(frameKind.message, Buffer.from(`{"id":1,"kind":"result","value":${value}}`)),
    ),
    fc
      .tuple(hostile, hostile)
      .map(([code, message]) =>
        encodeMessage({ id: 1, kind: 'error', value: { code, message, remedy: message, evidence: message } }),
      ),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    fc.uint8Array({ maxLength: 100 }).map((bytes) => encodeFrame(frameKind.data, Buffer.from(bytes))),
  )

  test('any bytes end a call with a failure', () =>
    attack({
      surface: 'Server: answers of the agent',
      inputs: fc.tuple(
        fc.array(frame, { maxLength: 5 }),
        fc.constantFrom('ready', 'need-agent', 'no-node a:b', ''),
      ),
      runs: [150, 3000],
      holds: async ([frames, word]) => {
        const remote = hostileEnd((sentinel) => ['noise\n', `${sentinel} ${word}\n`, ...frames], true)
        try {
          const agent = await openAgent(remote, bootstrap, 2000)
          // One that answers what was asked for may be believed: it is the server.
          const { releases } = await agent.call('releases', {})
          return Array.isArray(releases)
        } catch (error) {
          return error instanceof Failure && error.code !== 'internal'
        }
      },
    }))

  test('a key for builds that is none, which would be masked as if it were a word of the log, is refused', async () => {
    const words = ['e', 'error', 'live\nkept', 'a\0b', `${'A'.repeat(43)}=\n`, 'A'.repeat(44)]
    for (const key of words) {
      const answer = encodeMessage({ id: 1, kind: 'result', value: { key } })
      const remote = hostileEnd((sentinel) => [`${sentinel} ready\n`, answer], true)
      const agent = await openAgent(remote, bootstrap, 2000)
      expect(await failureOf(agent.call('encryptionKey', { create: true }))).toMatchObject({
        code: 'malformed-message',
      })
    }
    record('Server: answers of the agent', words.length, 0)
  })

  test('JSON that is nested 250,000 times, or names what all objects share, is a message like any other', async () => {
    const deep = `${'['.repeat(250_000)}${']'.repeat(250_000)}`
    const shared = '{"releases":[],"__proto__":{"taken":1},"constructor":{"prototype":{"taken":1}}}'
    const answers: readonly (readonly [string, object])[] = [
      [deep, { code: 'malformed-message' }],
      [`{"id":1,"kind":"result","value":${deep}}`, { code: 'malformed-message' }],
      [`{"id":1,"kind":"result","value":${shared}}`, { releases: [] }],
    ]
    for (const [answer, outcome] of answers) {
      const frame = encodeFrame(frameKind.message, Buffer.from(answer))
      const remote = hostileEnd((sentinel) => [`${sentinel} ready\n`, frame], true)
      const agent = await openAgent(remote, bootstrap, 2000)
      expect(await agent.call('releases', {}).catch((error: unknown) => error)).toMatchObject(outcome)
    }
    expect(({} as { taken?: unknown }).taken).toBeUndefined()
    record('Server: deep and polluting JSON', answers.length, 0)
  })

  test('output without end, and no greeting in it, is given up before it fills the memory', async () => {
    const block = 'x'.repeat(64 * 1024)
    const endless = hostileEnd(() => Array.from({ length: 64 }, () => block), false)
    expect(await failureOf(openAgent(endless, bootstrap, 5000))).toMatchObject({ code: 'no-shell' })
    record('Server: output without end', 1, 0)
  })

  test('silence is given up', async () => {
    expect(
      await failureOf(
        openAgent(
          hostileEnd(() => [], false),
          bootstrap,
          50,
        ),
      ),
    ).toMatchObject({ code: 'no-shell' })
    record('Server: silence', 1, 0)
  })

  test('a frame that says it has 4 GiB is refused at its header', async () => {
    const header = Buffer.from([0xff, 0xff, 0xff, 0xff, frameKind.message])
    const agent = await openAgent(
      hostileEnd((sentinel) => [`${sentinel} ready\n`, header], false),
      bootstrap,
      1000,
    )
    expect(await failureOf(agent.call('releases', {}))).toMatchObject({ code: 'malformed-message' })
    record('Server: a frame of 4 GiB', 1, 0)
  })
})

describe('instead of an agent’s file', () => {
  let compiled: string
  beforeAll(() => {
    compiled = compile()
  })
  afterAll(() => rmSync(compiled, { recursive: true, force: true }))

  test('other code is not run', async () => {
    const home = folder()
    const shell = () => localShell({ env: { HOME: home, PATH: join(process.execPath, '..') } })
    const open = async () => {
      const one = shell()
      const agent = await openAgent(one, agentOf(compiled), 10_000)
      await agent.call('inspect', {})
      agent.close()
      one.kill()
      return one.output()
    }
    await open()
    const kept = join(home, 'apps/site/.gapless/agent')
    const file = join(kept, readdirSync(kept)[0]!)
    const right = readFileSync(file)
    await attack({
      surface: 'Server: the agent’s file was changed',
      inputs: fc.tuple(fc.nat({ max: right.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.boolean()),
      runs: [6, 60],
      holds: async ([at, change, evil]) => {
        const changed = Buffer.from(right)
        changed[at] = changed[at]! ^ change
        const pwned = join(home, 'pwned')
        const code = `require('fs').writeFileSync(${JSON.stringify(pwned)}, '');`
        writeFileSync(file, evil ? Buffer.concat([Buffer.from(code), right]) : changed)
        const said = await open()
        return (
          said.includes(' need-agent\n') &&
          !readdirSync(home).includes('pwned') &&
          readFileSync(file).equals(right)
        )
      },
    })
  }, 60_000)
})

describe('instead of an SSH server', () => {
  const sockets = new Set<Socket>()
  let port: number
  let play: (socket: Socket) => void = () => undefined
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    play(socket)
  })
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()

  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterAll(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })

  const dial = (connectTimeoutMs: number) =>
    connect({
      host: '127.0.0.1',
      port,
      username: 'deploy',
      login: { key, password: 'secret-password' },
      hostKey: { fingerprints: [`SHA256:${'A'.repeat(43)}`] },
      connectTimeoutMs,
      retryPausesMs: [],
    })

  /** A packet before encryption: length, padding, payload. */
  function packet(payload: Uint8Array): Buffer {
    const padding = 16 - ((payload.length + 5) % 8)
    const length = Buffer.alloc(5)
    length.writeUInt32BE(payload.length + padding + 1, 0)
    length.writeUInt8(padding, 4)
    return Buffer.concat([length, payload, randomBytes(padding)])
  }

  test(
    'any bytes end the connection with a failure, and are never a login',
    () =>
      attack({
        surface: 'Server: SSH handshakes',
        inputs: fc.array(
          fc.oneof(
            hostile.map((text) => Buffer.from(text)),
            fc.constant(Buffer.from('SSH-2.0-evil\r\n')),
            fc.uint8Array({ maxLength: 200 }).map((bytes) => packet(bytes)),
            // SERVICE_ACCEPT, USERAUTH_SUCCESS, USERAUTH_INFO_REQUEST, DISCONNECT, before any key was exchanged.
            fc.constantFrom(6, 52, 60, 1, 20, 21, 31, 90).map((type) => packet(Buffer.of(type, 0, 0, 0, 0))),
            fc.constant(Buffer.from([0xff, 0xff, 0xff, 0xff, 4])),
          ),
          { maxLength: 6 },
        ),
        runs: [60, 1500],
        holds: async (chunks) => {
          let heard = ''
          play = (socket) => {
            socket.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')))
            for (const chunk of chunks) socket.write(chunk)
            socket.end()
          }
          const failure = await failureOf(dial(3000))
          return (
            ['connection-reset', 'connection-timeout', 'no-common-algorithm'].includes(failure.code) &&
            !heard.includes('secret-password') &&
            (failure.evidence ?? '').length < 5000
          )
        },
      }),
    60_000,
  )

  test('a greeting without end is given up', async () => {
    play = (socket) => {
      const more = () => socket.writable && socket.write('a line\r\n'.repeat(1000), () => setImmediate(more))
      more()
    }
    expect(['connection-reset', 'connection-timeout']).toContain((await failureOf(dial(2000))).code)
    record('Server: a greeting without end', 1, 0)
  })
})
