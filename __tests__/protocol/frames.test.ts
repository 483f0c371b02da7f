import { describe, expect, test } from '@jest/globals'
import {
  decodeFrames,
  encodeFrame,
  encodeMessage,
  type Frame,
  frameKind,
  MAX_PAYLOAD,
} from '../../src/protocol/frames.ts'
import { failureOf } from '../support/failure.ts'

async function* stream(...chunks: readonly Buffer[]): AsyncGenerator<Buffer, void, undefined> {
  yield* chunks
}

async function decode(...chunks: readonly Buffer[]): Promise<readonly Frame[]> {
  const frames: Frame[] = []
  for await (const frame of decodeFrames(stream(...chunks))) frames.push(frame)
  return frames
}

const three = [
  { kind: frameKind.message, payload: Buffer.from('{"id":1,"text":"größer"}') },
  { kind: frameKind.data, payload: Buffer.from([0, 10, 255, 0x4d]) },
  { kind: frameKind.end, payload: Buffer.alloc(0) },
]
const bytes = Buffer.concat(three.map(({ kind, payload }) => encodeFrame(kind, payload)))

describe('frames', () => {
  test('have a length, a kind and the payload', () => {
    expect([...encodeFrame(frameKind.data, Buffer.from('ab'))]).toEqual([0, 0, 0, 2, 0x44, 0x61, 0x62])
    expect(encodeMessage({ a: 1 })).toEqual(encodeFrame(frameKind.message, Buffer.from('{"a":1}')))
  })

  test('come out as they went in', async () => {
    expect(await decode(bytes)).toEqual(three)
  })

  test('come out the same wherever the stream is cut in two', async () => {
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(await decode(bytes.subarray(0, at), bytes.subarray(at))).toEqual(three)
    }
  })

  test('come out the same one byte at a time', async () => {
    expect(await decode(...[...bytes].map((byte) => Buffer.from([byte])))).toEqual(three)
  })

  test('may be as large as the limit', async () => {
    const payload = Buffer.alloc(MAX_PAYLOAD, 7)
    const [frame] = await decode(encodeFrame(frameKind.data, payload))
    expect(frame?.payload.equals(payload)).toBe(true)
  })

  test('end well where the stream ends between two', async () => {
    expect(await decode()).toEqual([])
  })
})

describe('a broken peer', () => {
  test('is refused a frame over the limit', () => {
    expect(() => encodeFrame(frameKind.data, Buffer.alloc(MAX_PAYLOAD + 1))).toThrow(
      expect.objectContaining({ code: 'message-too-large' }),
    )
  })

  test('cannot announce one over the limit: refused by its header, before anything is kept', async () => {
    const header = encodeFrame(frameKind.data, Buffer.alloc(0))
    header.writeUInt32BE(MAX_PAYLOAD + 1)
    let asked = 0
    async function* endless() {
      yield header
      for (;;) {
        asked += 1
        yield Buffer.alloc(1024)
      }
    }
    const failure = await failureOf(decodeFrames(endless()).next())
    expect(failure.code).toBe('malformed-message')
    expect(asked).toBe(0)
  })

  test('is refused a kind that does not exist', async () => {
    expect(await failureOf(decode(Buffer.from('SSH-2.0-whatever')))).toMatchObject({
      code: 'malformed-message',
    })
  })

  test('that is interrupted has not ended well, unless it was between two frames', async () => {
    let end = 0
    const ends = three.map(({ payload }) => (end += 5 + payload.length))
    for (let at = 1; at < bytes.length; at += 1) {
      const work = decode(bytes.subarray(0, at))
      if (ends.includes(at)) expect(await work).toEqual(three.slice(0, ends.indexOf(at) + 1))
      else expect(await failureOf(work)).toMatchObject({ code: 'connection-lost' })
    }
  })
})
