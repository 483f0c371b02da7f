/** One SSH session: reads requests from standard input, one at a time, and answers on standard output. */
import { failure } from '../common/errors/upload.ts'
import { decodeFrames, encodeFrame, encodeMessage, type Frame, frameKind } from '../protocol/frames.ts'
import { malformed, parse } from '../protocol/guards.ts'
import { type Operation, operations, type Reply, type Request, request } from '../protocol/messages.ts'
import type { Call } from './operations/call.ts'
import type { Operations } from './operations/index.ts'
import { toFailure } from './system/system-error.ts'

export async function serveSession(
  input: AsyncIterable<Buffer>,
  /** May return a promise that resolves when there is room for more. */
  write: (bytes: Buffer) => unknown,
  { handlers, end }: Operations,
): Promise<void> {
  const frames = decodeFrames(input)
  const reply = (message: Reply) => write(encodeMessage(message))
  try {
    for (;;) {
      const next = await frames.next()
      if (next.done === true) return
      if (next.value.kind !== frameKind.message) throw malformed('a body came without a request')
      await answer(parse(request, next.value.payload.toString('utf8'), 'request'))
    }
  } finally {
    await end()
  }

  async function answer({ id, operation, params, body }: Request): Promise<void> {
    const data = body ? readBody(frames) : noBody()
    try {
      const call: Call = {
        body: data,
        event: (value) => reply({ id, kind: 'event', value }),
        send: async (chunk) => {
          await write(encodeFrame(frameKind.data, chunk))
        },
        alive: atMostEvery(ALIVE, () => reply({ id, kind: 'alive', value: null })),
      }
      reply({ id, kind: 'result', value: await handle(operation, params, call) })
    } catch (error) {
      reply({ id, kind: 'error', value: toFailure(error).toRecord() })
    }
    // A failed operation may leave a part of its body unread.
    for await (const _ of data) continue
  }

  function handle<O extends Operation>(operation: O, params: unknown, call: Call): Promise<unknown> {
    const checked = operations[operation].params(params, operation)
    return (handlers[operation] as (params: unknown, call: Call) => Promise<unknown>)(checked, call)
  }
}

/** Interval between two signs of life, in ms. */
const ALIVE = 5000

function atMostEvery(pauseMs: number, act: () => void): () => void {
  let last = performance.now()
  return () => {
    const now = performance.now()
    if (now - last < pauseMs) return
    last = now
    act()
  }
}

/**
 * The data frames up to the end frame. Its iterator may be left and resumed, even while a stream that read
 * ahead still waits for a frame: one step starts when the step before it has ended.
 */
function readBody(frames: AsyncGenerator<Frame, void, undefined>): AsyncIterable<Buffer> {
  let ended = false
  let before: Promise<unknown> = Promise.resolve()
  const step = async (): Promise<IteratorResult<Buffer>> => {
    if (ended) return { done: true, value: undefined }
    const frame = await frames.next()
    if (frame.done === true)
      throw failure('upload-incomplete', { problem: 'the connection ended in the middle' })
    if (frame.value.kind === frameKind.data) return { done: false, value: frame.value.payload }
    ended = true
    if (frame.value.kind !== frameKind.end) throw malformed('a request came inside a body')
    return { done: true, value: undefined }
  }
  const next = () => {
    const result = before.then(step)
    before = result.catch(() => undefined)
    return result
  }
  return { [Symbol.asyncIterator]: () => ({ next }) }
}

async function* noBody(): AsyncGenerator<Buffer, void, undefined> {
  yield* []
}
