import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from '@jest/globals'
import { layoutOf } from '../../src/agent/store/layout.ts'
import type { Handlers, Operations } from '../../src/agent/operations/index.ts'
import { serveSession } from '../../src/agent/session.ts'
import { createUploads } from '../../src/agent/upload/upload.ts'
import { Failure } from '../../src/common/failure.ts'
import { decodeFrames, encodeFrame, encodeMessage, frameKind } from '../../src/protocol/frames.ts'
import { parse } from '../../src/protocol/guards.ts'
import { type Reply, reply } from '../../src/protocol/messages.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { stageParams } from '../support/upload.ts'

const folder = temporaryFolders()

/** A session whose client is the test, frame by frame. */
function openSession(handlers: Partial<Handlers>) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  let ends = 0
  const unasked = () => Promise.reject(new Error('not part of this test'))
  const names = [
    'inspect',
    'releases',
    'status',
    'stage',
    'fill',
    'commit',
    'integrity',
    'verify',
    'discard',
    'activate',
    'cleanup',
  ] as const
  const all = Object.fromEntries(names.map((name) => [name, unasked])) as unknown as Handlers
  const operations: Operations = {
    handlers: { ...all, ...handlers },
    end: async () => void (ends += 1),
  }
  const served = serveSession(input, (bytes) => void output.write(bytes), operations)
  served.catch(() => undefined)
  const replies = decodeFrames(output)
  let lastId = 0
  return {
    served,
    ends: () => ends,
    send: (bytes: Buffer) => void input.write(bytes),
    end: () => void input.end(),
    request(operation: string, params: object = {}, body = false): number {
      lastId += 1
      input.write(encodeMessage({ id: lastId, operation, params, body }))
      return lastId
    },
    data: (payload: Buffer | string) => void input.write(encodeFrame(frameKind.data, Buffer.from(payload))),
    endOfBody: () => void input.write(encodeFrame(frameKind.end, Buffer.alloc(0))),
    async next(): Promise<Reply> {
      const { value } = await replies.next()
      return parse(reply, value!.payload.toString('utf8'), 'reply')
    },
  }
}

const releases: Handlers['releases'] = async () => ({ releases: [] })
const noReleases = { kind: 'result', value: { releases: [] } }

async function readAll(body: AsyncIterable<Buffer>): Promise<string> {
  let text = ''
  for await (const chunk of body) text += chunk.toString('utf8')
  return text
}

const staged = { committed: false, missing: '', reusedBytes: 0 }

describe('a session', () => {
  test('answers each request by its id, in order', async () => {
    const session = openSession({ releases, discard: async () => ({ removed: true }) })
    session.request('releases')
    session.request('discard', { id: '20260101000001', remove: true })
    expect(await session.next()).toMatchObject({ id: 1, ...noReleases })
    expect(await session.next()).toMatchObject({ id: 2, kind: 'result', value: { removed: true } })
  })

  test('gives a body to its operation, up to the end frame', async () => {
    let seen = ''
    const session = openSession({
      releases,
      stage: async (_, { body }) => {
        seen = await readAll(body)
        return staged
      },
    })
    session.request('stage', stageParams, true)
    session.data('one ')
    session.data('two')
    session.endOfBody()
    expect(await session.next()).toMatchObject({ id: 1, kind: 'result' })
    expect(seen).toBe('one two')
    session.request('releases')
    expect(await session.next()).toMatchObject({ id: 2, ...noReleases })
  })

  test('sends events before the result', async () => {
    const session = openSession({
      releases: async (_, { event }) => {
        event({ step: 1 })
        event({ step: 2 })
        return { releases: [] }
      },
    })
    session.request('releases')
    expect(await session.next()).toEqual({ id: 1, kind: 'event', value: { step: 1 } })
    expect(await session.next()).toEqual({ id: 1, kind: 'event', value: { step: 2 } })
    expect(await session.next()).toMatchObject({ id: 1, ...noReleases })
  })

  test('ends well between two requests, and takes back what was begun', async () => {
    const session = openSession({ releases })
    session.request('releases')
    await session.next()
    session.end()
    await session.served
    expect(session.ends()).toBe(1)
  })
})

describe('an operation that fails', () => {
  test('is answered with its failure, and the session goes on', async () => {
    const session = openSession({
      releases,
      discard: async () => {
        throw new Failure('unknown-release', 'there is none', { remedy: 'Choose another.', evidence: 'ls' })
      },
    })
    session.request('discard', { id: '20260101000001', remove: true })
    expect(await session.next()).toEqual({
      id: 1,
      kind: 'error',
      value: { code: 'unknown-release', message: 'there is none', remedy: 'Choose another.', evidence: 'ls' },
    })
    session.request('releases')
    expect(await session.next()).toMatchObject({ id: 2, ...noReleases })
  })

  test.each([
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
    ['EACCES', 'path-not-writable'],
    ['EROFS', 'path-not-writable'],
    ['EIO', 'agent-failed'],
  ])('for the server’s own reason %s says %s', async (code, expected) => {
    const session = openSession({
      releases: async () => {
        throw Object.assign(new Error(`${code}: no, open '/srv/app'`), { code, path: '/srv/app' })
      },
    })
    session.request('releases')
    expect(await session.next()).toMatchObject({
      kind: 'error',
      value: { code: expected, message: expect.stringContaining('/srv/app') },
    })
  })

  test('before it looked at its body leaves the session in order', async () => {
    const session = openSession({
      releases,
      stage: async () => {
        throw new Failure('locked', 'no')
      },
    })
    session.request('stage', stageParams, true)
    session.data('never looked at')
    expect(await session.next()).toMatchObject({ kind: 'error', value: { code: 'locked' } })
    session.data('nor this')
    session.endOfBody()
    session.request('releases')
    expect(await session.next()).toMatchObject({ id: 2, ...noReleases })
  })

  test('in the middle of its body leaves the session in order', async () => {
    const session = openSession({
      releases,
      stage: async (_, { body }) => {
        for await (const chunk of body) throw new Failure('upload-corrupt', chunk.toString('utf8'))
        return staged
      },
    })
    session.request('stage', stageParams, true)
    session.data('bad')
    expect(await session.next()).toMatchObject({ kind: 'error', value: { code: 'upload-corrupt' } })
    session.endOfBody()
    session.request('releases')
    expect(await session.next()).toMatchObject({ id: 2, ...noReleases })
  })

  test('while a stream still reads ahead in its body leaves the session in order', async () => {
    const layout = layoutOf(join(folder(), 'app'))
    const session = openSession({
      releases,
      stage: (params, { body }) => createUploads(layout).stage(params, body),
    })
    session.request('stage', stageParams, true)
    session.data('this is no brotli')
    expect(await session.next()).toMatchObject({ id: 1, kind: 'error' })
    session.endOfBody()
    session.request('releases')
    expect(await session.next()).toMatchObject({ id: 2, ...noReleases })
    expect(readdirSync(layout.releases)).toEqual([])
  })

  test('for parameters that are not what it takes says which', async () => {
    const session = openSession({ discard: async () => ({ removed: true }) })
    session.request('discard', { id: '../../etc', remove: true })
    expect(await session.next()).toMatchObject({
      kind: 'error',
      value: { code: 'malformed-message', message: expect.stringContaining('discard.id') },
    })
  })
})

describe('a session ends with a failure', () => {
  const endings: readonly [string, (session: ReturnType<typeof openSession>) => void, string][] = [
    [
      'when something else speaks to it',
      ({ send }) => send(Buffer.from('GET / HTTP/1.1\r\n')),
      'malformed-message',
    ],
    [
      'when a message is not JSON',
      ({ send }) => send(encodeFrame(frameKind.message, Buffer.from('{'))),
      'malformed-message',
    ],
    [
      'when it is asked for what it does not know',
      ({ request }) => void request('format-disk'),
      'malformed-message',
    ],
    ['when a body comes without a request', ({ data }) => data('x'), 'malformed-message'],
    [
      'when the stream is cut in the middle of a message',
      ({ send, end }) => {
        send(encodeMessage({ id: 1, operation: 'releases', params: {}, body: false }).subarray(0, 20))
        end()
      },
      'connection-lost',
    ],
  ]
  test.each(endings)('%s', async (_, act, code) => {
    const session = openSession({ releases })
    act(session)
    expect(await failureOf(session.served)).toMatchObject({ code })
    expect(session.ends()).toBe(1)
  })

  test('when a request stands inside a body', async () => {
    const session = openSession({
      releases,
      stage: async (_, { body }) => ({ ...staged, missing: await readAll(body) }),
    })
    session.request('stage', stageParams, true)
    session.request('releases')
    expect(await session.next()).toMatchObject({ kind: 'error', value: { code: 'malformed-message' } })
  })

  test('when the stream is cut in the middle of a body: the operation fails, nothing counts as complete', async () => {
    let seen: unknown
    const session = openSession({
      stage: async (_, { body }) => {
        await readAll(body).catch((error: unknown) => {
          seen = error
          throw error
        })
        return staged
      },
    })
    session.request('stage', stageParams, true)
    session.data('half of it')
    session.end()
    expect(await session.next()).toMatchObject({ kind: 'error', value: { code: 'upload-incomplete' } })
    expect(seen).toMatchObject({ code: 'upload-incomplete' })
    await session.served.catch(() => undefined)
    expect(session.ends()).toBe(1)
  })
})
