import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Duplex, PassThrough } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/protocol/failure.ts'
import { decodeFrames, encodeFrame, encodeMessage, type Frame, frameKind } from '../../src/protocol/frames.ts'
import { type AgentSession, openAgent, type Remote } from '../../src/remote/agent-session.ts'
import { contentStream, manifestStream, missingFiles } from '../../src/transfer/stream.ts'
import { agentOf } from '../support/agent.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { type LocalShell, localShell } from '../support/local-shell.ts'
import { manifestOf } from '../support/tree.ts'
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

  function open(): Promise<AgentSession> {
    home = folder()
    shell = localShell({ env: { HOME: home, PATH: dirname(process.execPath) } })
    return openAgent(shell, agentOf(compiled), 10_000)
  }

  test('looks at the server', async () => {
    const agent = await open()
    expect(await agent.call('inspect', {})).toMatchObject({
      node: process.versions.node,
      path: join(home, 'apps/site'),
      home,
      live: null,
    })
  })

  test('uploads, and the agent proves what it got', async () => {
    const agent = await open()
    const manifest = await manifestOf(folder(), { 'server.js': '//', 'public/big': randomBytes(400_000) })
    const { id, missing } = await agent.call('stage', {}, { body: manifestStream(manifest) })
    const files = missingFiles(manifest, missing)
    expect(await agent.call('fill', { id }, { body: contentStream(files) })).toEqual({
      files: 2,
      bytes: 400_002,
    })
  })

  test('goes on after a failed operation, with other calls waiting', async () => {
    const agent = await open()
    const calls = [
      agent.call('audit', { id: '20260101000001' }).catch((error: Failure) => error.code),
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
      const { id } = await agent.call('stage', {}, { body: manifestStream(manifest) })
      async function* damaged() {
        let index = 0
        for await (const chunk of contentStream(manifest.files)) {
          yield index === at ? randomBytes(chunk.length) : chunk
          index += 1
        }
      }
      await expect(agent.call('fill', { id }, { body: damaged() })).rejects.toBeInstanceOf(Failure)
      expect(await agent.call('releases', {})).toEqual({ releases: [] })
    }
  })

  test('takes back an upload whose connection was cut, as soon as it is', async () => {
    const agent = await open()
    const manifest = await manifestOf(folder(), { 'server.js': '//', 'public/big': randomBytes(4_000_000) })
    const { id } = await agent.call('stage', {}, { body: manifestStream(manifest) })
    const app = join(home, 'apps/site')
    expect(readdirSync(join(app, '.gapless/incoming'))).toEqual([id])
    async function* cut() {
      for await (const chunk of contentStream(manifest.files)) {
        yield chunk
        shell!.child!.stdin!.destroy()
      }
    }
    expect(await failureOf(agent.call('fill', { id }, { body: cut() }))).toBeInstanceOf(Failure)
    await until('nothing of it is left', () => readdirSync(join(app, '.gapless/incoming')).length === 0)
    expect(readdirSync(join(app, 'releases'))).toEqual([])
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
      agent.call('stage', {}, { body: endless() }),
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

async function openPlayed() {
  const played = playedAgent()
  const opening = openAgent(played.remote, bootstrap, 10_000)
  await Promise.resolve()
  played.greet('ready')
  return { played, agent: await opening }
}

describe('a call', () => {
  test('gets its own answer, whatever the order', async () => {
    const { played, agent } = await openPlayed()
    const [first, second] = [agent.call('releases', {}), agent.call('discard', { id: '20260101000001' })]
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
    const call = failureOf(agent.call('discard', { id: '20260101000001' }))
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
    const call = failureOf(agent.call('stage', {}, { body: endless() }))
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
  const lost = { code: 'connection-lost', remedy: expect.stringContaining('Run it again') }

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

  test('does not wait for ever', async () => {
    const played = playedAgent()
    expect(await failureOf(openAgent(played.remote, bootstrap, 50))).toMatchObject({
      code: 'no-shell',
      message: expect.stringContaining('50 ms'),
    })
  })
})
