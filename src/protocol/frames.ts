/**
 * Frames on the one channel between the action and the agent.
 *
 *   length  4 bytes, big endian: the payload's bytes
 *   kind    1 byte
 *   payload
 *
 * A request may be followed by a body: data frames, closed by an end frame. A cut connection looks like a
 * normal end of input to the agent, so nothing counts as complete without that end frame.
 */
import { failure } from '../common/errors/protocol.ts'
import { formatBytes } from '../common/format.ts'
import { malformed } from './guards.ts'

export const frameKind = { message: 0x4d, data: 0x44, end: 0x45 } as const
export type FrameKind = (typeof frameKind)[keyof typeof frameKind]

export interface Frame {
  readonly kind: FrameKind
  readonly payload: Buffer
}

const HEADER = 5
/** Large enough for any message, and small enough that a broken or hostile peer cannot fill the memory. */
export const MAX_PAYLOAD = 8 * 1024 * 1024

export function encodeFrame(kind: FrameKind, payload: Buffer): Buffer {
  if (payload.length > MAX_PAYLOAD) {
    throw failure('message-too-large', { size: formatBytes(payload.length), limit: formatBytes(MAX_PAYLOAD) })
  }
  const header = Buffer.allocUnsafe(HEADER)
  header.writeUInt32BE(payload.length, 0)
  header.writeUInt8(kind, 4)
  return Buffer.concat([header, payload])
}

export function encodeMessage(message: object): Buffer {
  return encodeFrame(frameKind.message, Buffer.from(JSON.stringify(message)))
}

/** Splits a byte stream into frames. Reads no faster than the consumer. */
export async function* decodeFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Frame, void, undefined> {
  let pending: Buffer[] = []
  let available = 0
  let wanted = HEADER

  for await (const chunk of source) {
    pending.push(chunk)
    available += chunk.length
    while (available >= wanted) {
      const buffer = pending.length === 1 ? pending[0]! : Buffer.concat(pending, available)
      const length = buffer.readUInt32BE(0)
      const kind = buffer.readUInt8(4)
      if (!isFrameKind(kind) || length > MAX_PAYLOAD) {
        throw malformed(`a frame of kind ${kind} has ${length} bytes`)
      }
      wanted = HEADER + length
      if (available < wanted) {
        pending = [buffer]
        break
      }
      yield { kind, payload: buffer.subarray(HEADER, wanted) }
      const rest = buffer.subarray(wanted)
      pending = rest.length > 0 ? [rest] : []
      available = rest.length
      wanted = HEADER
    }
  }
  if (available > 0) throw failure('connection-lost')
}

function isFrameKind(kind: number): kind is FrameKind {
  return kind === frameKind.message || kind === frameKind.data || kind === frameKind.end
}
