import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Duplex, PassThrough, Readable } from 'node:stream'
import { setImmediate, setTimeout as delay } from 'node:timers/promises'
import { brotliCompressSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { Failure } from '../../src/common/failure.ts'
import { decodeFrames, encodeFrame, encodeMessage, type Frame, frameKind } from '../../src/protocol/frames.ts'
import { type AgentSession, openAgent, type Remote } from '../../src/agent-client/agent-session.ts'
import { type Manifest, totalSize } from '../../src/transfer/manifest.ts'
import { manifestStream } from '../../src/transfer/stream.ts'
import { run, runtimeWith } from '../agent/releases-on-disk.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { listing } from '../support/listing.ts'
import { type LocalShell, localShell } from '../support/local-shell.ts'
import { freePort } from '../support/port.ts'
import { manifestOf } from '../support/tree.ts'
import { bodyOf, missingList, stageParams, stageParamsOf } from '../support/upload.ts'
import { until } from '../support/until.ts'

const folder = temporaryFolders()

describe('a session with a real agent', () => {
  let compiled: string
  let shell: LocalShell | undefined
  let home: string

  beforeAll(() => {
    compiled = compile()
  })
  afterAll(() => rmSync(compiled, { recursive: true, force: true }))
  afterEach(() => shell?.kill())

  function open(at = folder(), node = process.execPath): Promise<AgentSession> {
    home = at
    shell = localShell({ env: { HOME: home, PATH: dirname(node) } })
    return openAgent(shell, agentOf(compiled), 10_000)
  }

  test('looks at the server', async () => {
    const agent = await open()
    expect(await agent.call('inspect', {})).toMatchObject({
      node: process.versions.node,
      path: join(home, 'apps/site'),
      live: null,
    })
  })

  test('uploads, and the agent proves what it got', async () => {
    const agent = await open()
    const manifest = await manifestOf(folder(), { 'server.js': '//', 'public/big': randomBytes(400_000) })
    const params = stageParamsOf(manifest)
    const { id } = params
    const { missing } = await agent.call('stage', params, { body: manifestStream(manifest, '') })
    const files = missingList(manifest, missing)
    expect(
      await agent.call(
        'fill',
        { id, files: manifest.files.length, compression: 'brotli' },
        { body: bodyOf(files) },
      ),
    ).toEqual({
      bytes: 400_002,
    })
  })

  test('reports what a deploy would send, before and after the first one, and changes nothing on the server', async () => {
    const manifest = await manifestOf(folder(), { 'server.js': '//', 'public/big': randomBytes(400_000) })
    const said = { host: null, port: null }
    const ask = { release: null, run, address: { host: '127.0.0.1', port: await freePort() }, said, keep: 5 }
    const reported = async () => {
      shell = localShell({ env: { HOME: home, PATH: dirname(process.execPath) } })
      const agent = await openAgent(shell, agentOf(compiled, { persist: false }), 10_000)
      await agent.call('inspect', {})
      const { base, folders } = await agent.call('outline', {})
      const body = manifestStream(manifest, folders)
      const { missing, lack } = await agent.call('compare', { ...stageParamsOf(manifest), base }, { body })
      const found = await agent.call('dryRun', ask)
      expect(lack).toBe(null)
      shell.kill()
      return { sent: missingList(manifest, missing).map(({ path }) => path), ...found }
    }
    home = folder()
    expect(await reported()).toEqual({ sent: ['server.js', 'public/big'], findings: [], pruned: [] })
    expect(readdirSync(home)).toEqual([])

    const agent = await open(home)
    const params = stageParamsOf(manifest)
    const { id } = params
    const { missing } = await agent.call('stage', params, { body: manifestStream(manifest, '') })
    await agent.call(
      'fill',
      { id, files: 2, compression: 'brotli' },
      { body: bodyOf(missingList(manifest, missing)) },
    )
    const made = {
      entry: 'server.js',
      staticPath: null,
      nextVersion: '',
      builtMsAgo: 0,
      run,
      runtime: runtimeWith(),
    }
    await agent.call('commit', { id, ...made })
    shell!.kill()
    const before = listing(home)
    expect(before.length).toBeGreaterThan(5)
    // It was never verified: what is live afterwards outlives it.
    expect(await reported()).toEqual({ sent: [], findings: [], pruned: [id] })
    expect(listing(home)).toEqual(before)
  })

  test('is lost when its process is stopped', async () => {
    home = folder()
    shell = localShell({ env: { HOME: home, PATH: dirname(process.execPath) } })
    const agent = await openAgent(shell, agentOf(compiled), 10_000, undefined, () => 1000)
    await agent.call('releases', {})
    process.kill(-shell.child!.pid!, 'SIGSTOP')
    expect(await failureOf(agent.call('releases', {}))).toMatchObject({ code: 'connection-lost' })
  })

  test('goes on after a failed operation, with other calls waiting', async () => {
    const agent = await open()
    const calls = [
      agent.call('integrity', { id: '20260101000001', repair: false }).catch((error: Failure) => error.code),
      agent.call('releases', {}),
    ]
    expect(await Promise.all(calls)).toEqual(['unknown-release', { releases: [] }])
  })

  test('goes on after an upload that was damaged on its way, wherever that was', async () => {
    const agent = await open()
    const contents = Object.fromEntries(
      Array.from({ length: 20 }, (_, number) => [`public/${number}`, randomBytes(40_000)]),
    )
    const manifest = await manifestOf(folder(), contents)
    for (const at of [0, 1, 3, 6, 9]) {
      const params = stageParamsOf(manifest)
      const { id } = params
      await agent.call('stage', params, { body: manifestStream(manifest, '') })
      async function* damaged() {
        let index = 0
        for await (const chunk of bodyOf(manifest.files)) {
          yield index === at ? randomBytes(chunk.length) : chunk
          index += 1
        }
      }
      await expect(
        agent.call('fill', { id, files: manifest.files.length, compression: 'brotli' }, { body: damaged() }),
      ).rejects.toBeInstanceOf(Failure)
      expect(await agent.call('releases', {})).toEqual({ releases: [] })
    }
  })

  // In the middle of its stream Node 22 says nothing of an early end.
  describe.each(process.env['GAPLESS_TEST_ALL'] === '1' ? ['22', '24'] : ['24'])(
    'contents that are packed with zstd, for a server with Node.js %s,',
    (version) => {
      const pack = 'process.stdout.write(zlib.zstdCompressSync(fs.readFileSync(0)))'
      const files = Array.from({ length: 20 }, () => randomBytes(40_000))
      let packed: Buffer
      beforeAll(() => {
        // This Node may be older.
        packed = execFileSync(nodeBinary('24'), ['-e', pack], { input: Buffer.concat(files) })
      })

      async function fill(bytes: Buffer) {
        const agent = await open(folder(), nodeBinary(version))
        const manifest = await manifestOf(
          folder(),
          Object.fromEntries(files.map((content, index) => [`public/${index + 10}`, content])),
        )
        const params = stageParamsOf(manifest)
        await agent.call('stage', params, { body: manifestStream(manifest, '') })
        const body = Readable.from([bytes.subarray(0, 100_000), bytes.subarray(100_000)])
        const filling = agent.call(
          'fill',
          { id: params.id, files: files.length, compression: 'zstd' },
          { body },
        )
        return { agent, filling }
      }

      test('arrive', async () => {
        const { agent, filling } = await fill(packed)
        expect(await filling).toEqual({ bytes: 800_000 })
        expect(await agent.call('inspect', {})).toMatchObject({ zstd: true })
      })

      test.each([
        ['end early', () => packed.subarray(0, 500_000), /^upload-(corrupt|incomplete)$/],
        ['end before they begin', () => Buffer.alloc(0), /^upload-(corrupt|incomplete)$/],
        [
          'are damaged',
          () => Buffer.concat([packed.subarray(0, 500_000), randomBytes(300_000)]),
          /^upload-corrupt$/,
        ],
        ['are brotli', () => brotliCompressSync(Buffer.concat(files)), /^upload-corrupt$/],
      ])('that %s make no release, and the session goes on', async (_, bytes, code) => {
        const { agent, filling } = await fill(bytes())
        expect((await failureOf(filling)).code).toMatch(code)
        expect(await agent.call('releases', {})).toEqual({ releases: [] })
      })
    },
  )

  describe('an upload that ends early', () => {
    const contents = () =>
      Object.fromEntries(
        Array.from({ length: 40 }, (_, number) => [`public/${number}`, randomBytes(100_000)]),
      )
    const app = () => join(home, 'apps/site')
    const incoming = () => readdirSync(join(app(), '.gapless/incoming'))

    /** Sends some of the contents, calls `cut`, and sends the rest all the same. */
    async function uploadUntil(manifest: Manifest, cut: () => void): Promise<string> {
      const agent = await open()
      const params = stageParamsOf(manifest)
      const { id } = params
      await agent.call('stage', params, { body: manifestStream(manifest, '') })
      const arrived = () => existsSync(join(app(), '.gapless/incoming', id, 'public/15'))
      async function* body() {
        let sent = 0
        for await (const chunk of bodyOf(manifest.files)) {
          yield chunk
          sent += chunk.length
          if (sent > 3_000_000 && !cutOff) {
            await until('some of it has arrived', arrived)
            cutOff = true
            cut()
          }
        }
      }
      let cutOff = false
      const fill = agent.call(
        'fill',
        { id, files: manifest.files.length, compression: 'brotli' },
        { body: body() },
      )
      expect(await failureOf(fill)).toBeInstanceOf(Failure)
      return id
    }

    test.each([
      ['by the end of its connection', () => void shell!.child!.stdin!.destroy(), '.interrupted'],
      ['by the end of its agent', () => shell!.kill(), ''],
    ])(
      '%s leaves no release, and what came to the next one',
      async (_, cut, ending) => {
        const manifest = await manifestOf(folder(), contents())
        const id = await uploadUntil(manifest, cut)
        await until('it is over', () => incoming().includes(id + ending))
        expect(readdirSync(join(app(), 'releases'))).toEqual([])

        const agent = await open(home)
        const params = stageParamsOf(manifest)
        const next = await agent.call('stage', params, { body: manifestStream(manifest, '') })
        const rest = missingList(manifest, next.missing)
        expect(rest.length).toBeLessThan(30)
        expect(totalSize(rest)).toBe(manifest.bytes - next.reusedBytes)
        await agent.call(
          'fill',
          { id: params.id, files: rest.length, compression: 'brotli' },
          { body: bodyOf(rest) },
        )
        const commit = {
          id: params.id,
          entry: 'public/0',
          staticPath: null,
          nextVersion: '',
          builtMsAgo: 0,
          run,
          runtime: runtimeWith(),
        }
        expect(await agent.call('commit', commit)).toMatchObject({ missing: '' })
        expect(incoming()).toEqual([])
        const integrity = await agent.call('integrity', { id: params.id, repair: false })
        expect(integrity).toMatchObject({ files: 40, bytes: 4_000_000 })
      },
      20_000,
    )
  })

  test('rejects everything that waits when the agent is killed', async () => {
    const agent = await open()
    await agent.call('releases', {})
    // An open body: the agent waits for the rest of it.
    async function* endless() {
      yield Buffer.from('x')
      await new Promise(() => undefined)
    }
    const waiting = [
      agent.call('stage', stageParams, { body: endless() }),
      agent.call('releases', {}),
      agent.call('status', {}),
    ].map(failureOf)
    shell!.kill()
    for (const call of waiting.slice(1)) expect(await call).toMatchObject({ code: 'connection-lost' })
    expect(await failureOf(agent.call('releases', {}))).toMatchObject({ code: 'connection-lost' })
  })
})

/** An agent that the test plays itself, frame by frame. */
function playedAgent() {
  const [toAgent, fromAgent] = [new PassThrough(), new PassThrough()]
  const channel = Object.assign(Duplex.from({ writable: toAgent, readable: fromAgent }), {
    stderr: new PassThrough(),
  })
  let sentinel = ''
  const remote: Remote = {
    async exec(command) {
      sentinel = /gapless-[0-9a-f]+/.exec(command)?.[0] ?? ''
      return channel
    },
  }
  const frames = decodeFrames(toAgent)
  return {
    remote,
    channel,
    say: (text: string) => void fromAgent.write(text),
    greet: (word: string) => void fromAgent.write(`Welcome!\n${sentinel} ${word}\n`),
    send: (bytes: Buffer) => void fromAgent.write(bytes),
    reply: (id: number, kind: string, value: unknown) =>
      void fromAgent.write(encodeMessage({ id, kind, value })),
    async next(): Promise<Frame> {
      return (await frames.next()).value!
    },
    end: () => void fromAgent.end(),
  }
}

const bootstrap = {
  source: Buffer.from('x'),
  persist: false,
  path: 'app',
  options: { appName: 'site', binPath: [] },
}

async function openPlayed(silenceMs = 60_000) {
  const played = playedAgent()
  const opening = openAgent(played.remote, bootstrap, 10_000, undefined, () => silenceMs)
  await Promise.resolve()
  played.greet('ready')
  return { played, agent: await opening }
}

describe('a call', () => {
  test('gets its own answer, whatever the order', async () => {
    const { played, agent } = await openPlayed()
    const [first, second] = [
      agent.call('releases', {}),
      agent.call('discard', { id: '20260101000001', remove: true }),
    ]
    await played.next()
    await played.next()
    played.reply(2, 'result', { removed: true })
    played.reply(1, 'result', { releases: [] })
    expect(await second).toEqual({ removed: true })
    expect(await first).toEqual({ releases: [] })
  })

  test('is told of events until its result', async () => {
    const { played, agent } = await openPlayed()
    const events: unknown[] = []
    const call = agent.call('releases', {}, { onEvent: (value) => events.push(value) })
    await played.next()
    played.reply(1, 'event', 'one')
    played.reply(1, 'event', 'two')
    played.reply(1, 'result', { releases: [] })
    await call
    expect(events).toEqual(['one', 'two'])
  })

  test('fails as the agent failed', async () => {
    const { played, agent } = await openPlayed()
    const call = failureOf(agent.call('releases', {}))
    await played.next()
    const record = { code: 'disk-full', message: 'full', remedy: 'Free some.', evidence: 'ENOSPC' }
    played.reply(1, 'error', record)
    expect((await call).toRecord()).toEqual(record)
  })

  test('refuses a result that is not what the operation gives', async () => {
    const { played, agent } = await openPlayed()
    const call = failureOf(agent.call('discard', { id: '20260101000001', remove: true }))
    await played.next()
    played.reply(1, 'result', { removed: 'yes' })
    expect(await call).toMatchObject({
      code: 'malformed-message',
      message: expect.stringContaining('discard.removed'),
    })
  })

  test('stops sending its body when the answer is an error, and ends it in order', async () => {
    const { played, agent } = await openPlayed()
    const listening = () => ['drain', 'close', 'error'].map((event) => played.channel.listenerCount(event))
    const before = listening()
    let finished = false
    async function* endless() {
      try {
        for (;;) {
          await setImmediate()
          yield Buffer.alloc(64 * 1024)
        }
      } finally {
        finished = true
      }
    }
    const call = failureOf(agent.call('stage', stageParams, { body: endless() }))
    expect((await played.next()).kind).toBe(frameKind.message)
    for (let piece = 0; piece < 10; piece += 1) expect((await played.next()).kind).toBe(frameKind.data)
    played.reply(1, 'error', { code: 'disk-full', message: 'full', remedy: null, evidence: null })
    let last = await played.next()
    while (last.kind === frameKind.data) last = await played.next()
    expect(last.kind).toBe(frameKind.end)
    expect(await call).toMatchObject({ code: 'disk-full' })
    expect(finished).toBe(true)
    expect(listening()).toEqual(before)
  })
})

describe('an agent that is silent for too long', () => {
  const lost = { code: 'connection-lost', message: expect.stringContaining('did not respond') }

  test('is a lost connection, for every call that waits', async () => {
    const { played, agent } = await openPlayed(200)
    const calls = [agent.call('releases', {}), agent.call('status', {})].map(failureOf)
    expect(await Promise.all(calls)).toMatchObject([lost, lost])
    expect(await failureOf(agent.call('releases', {}))).toMatchObject(lost)
    expect(played.channel.destroyed).toBe(true)
  })

  test('is not one that says it goes on, nor one that answers one call after the other', async () => {
    const { played, agent } = await openPlayed(400)
    const calls = [agent.call('releases', {}), agent.call('releases', {})]
    for (const kind of ['alive', 'event', 'alive', 'result']) {
      await delay(150)
      played.reply(1, kind, kind === 'result' ? { releases: [] } : null)
    }
    await delay(150)
    played.reply(2, 'result', { releases: [] })
    expect(await Promise.all(calls)).toEqual([{ releases: [] }, { releases: [] }])
  })

  test('is not one that nobody has asked anything', async () => {
    const { played, agent } = await openPlayed(100)
    const call = agent.call('releases', {})
    played.reply(1, 'result', { releases: [] })
    await call
    await delay(300)
    expect(played.channel.destroyed).toBe(false)
  })

  test('is one that no longer takes what is sent', async () => {
    const { agent } = await openPlayed(300)
    async function* endless() {
      for (;;) {
        await setImmediate()
        yield Buffer.alloc(64 * 1024)
      }
    }
    expect(await failureOf(agent.call('stage', stageParams, { body: endless() }))).toMatchObject(lost)
  })
})

describe('everything that waits is rejected', () => {
  async function losing(end: (played: ReturnType<typeof playedAgent>) => void): Promise<readonly Failure[]> {
    const { played, agent } = await openPlayed()
    const calls = [agent.call('releases', {}), agent.call('status', {})].map(failureOf)
    await played.next()
    await played.next()
    played.channel.stderr.write('Killed\n')
    end(played)
    const failures = await Promise.all(calls)
    // And so is what comes later.
    return [...failures, await failureOf(agent.call('releases', {}))]
  }
  const lost = { code: 'connection-lost', remedy: expect.stringContaining('then deploy again') }

  test('when the stream ends', async () => {
    const failures = await losing(({ end }) => end())
    expect(failures).toEqual([lost, lost, lost].map((each) => expect.objectContaining(each)))
  })

  test('when the stream breaks', async () => {
    const failures = await losing(({ channel }) => void channel.destroy(new Error('read ECONNRESET')))
    expect(failures.map(({ code }) => code)).toEqual([
      'connection-lost',
      'connection-lost',
      'connection-lost',
    ])
  })

  test('when the stream is cut in the middle of a message', async () => {
    const failures = await losing(({ send, end }) => {
      send(encodeMessage({ id: 1, kind: 'result', value: { releases: [] } }).subarray(0, 12))
      end()
    })
    expect(failures.map(({ code }) => code)).toEqual([
      'connection-lost',
      'connection-lost',
      'connection-lost',
    ])
  })

  test('when the server says something that is no answer', async () => {
    const failures = await losing(({ send }) =>
      send(encodeFrame(frameKind.message, Buffer.from('{"id":"one"}'))),
    )
    expect(failures.map(({ code }) => code)).toEqual([
      'malformed-message',
      'malformed-message',
      'malformed-message',
    ])
  })

  test('when the server sends data unasked', async () => {
    const failures = await losing(({ send }) => send(encodeFrame(frameKind.data, Buffer.from('x'))))
    expect(failures.map(({ code }) => code)).toEqual([
      'malformed-message',
      'malformed-message',
      'malformed-message',
    ])
  })
})

describe('opening', () => {
  test('reads past what the login shell prints, in whatever pieces it comes', async () => {
    const played = playedAgent()
    const opening = openAgent(played.remote, bootstrap, 10_000)
    await Promise.resolve()
    played.say('gapless-0000 ready\nLast login: never\n\u001b[31m'.repeat(100))
    played.greet('ready')
    const agent = await opening
    const call = agent.call('releases', {})
    played.reply(1, 'result', { releases: [] })
    expect(await call).toEqual({ releases: [] })
  })

  test('says what came instead when the command ends without a word', async () => {
    const played = playedAgent()
    const opening = failureOf(openAgent(played.remote, bootstrap, 10_000))
    await Promise.resolve()
    played.say('This account is currently not available.\n')
    played.end()
    expect(await opening).toMatchObject({
      code: 'no-shell',
      evidence: 'This account is currently not available.',
    })
  })

  test('does not wait for a command that never starts', async () => {
    const remote = { exec: () => new Promise<never>(() => undefined) }
    expect(await failureOf(openAgent(remote, bootstrap, 50))).toMatchObject({ code: 'no-shell' })
  })

  test('does not wait for ever', async () => {
    const played = playedAgent()
    expect(await failureOf(openAgent(played.remote, bootstrap, 50))).toMatchObject({
      code: 'no-shell',
      message: expect.stringContaining('0.1 seconds'),
    })
  })
})
