/** The runner's side of a session with the agent: typed calls over one channel. */
import { randomBytes } from 'node:crypto'
import type { Duplex, Readable } from 'node:stream'
import { failure } from '../common/errors/connect.ts'
import { Failure } from '../common/failure.ts'
import { formatBytes, formatLimit } from '../common/format.ts'
import { withTimeout } from '../common/timeout.ts'
import { decodeFrames, encodeFrame, encodeMessage, frameKind } from '../protocol/frames.ts'
import { malformed, parse } from '../protocol/guards.ts'
import {
  failureRecord,
  type Operation,
  operations,
  type Params,
  reply,
  type Result,
} from '../protocol/messages.ts'
import { type Bootstrap, bootstrapCommand, greeting } from './bootstrap.ts'
import { nodeMissing } from '../protocol/server-programs.ts'
import { longestSilence, watchSilence } from './silence.ts'
import type { Trace } from './trace.ts'

export interface CallOptions {
  readonly body?: AsyncIterable<Buffer>
  readonly onEvent?: (value: unknown) => void
  /** Told of each data frame of the answer, and never waits. */
  readonly onData?: (chunk: Buffer) => void
}

export interface AgentSession {
  /**
   * @throws Failure of the agent's own, or `connection-lost`
   */
  call<O extends Operation>(operation: O, params: Params<O>, options?: CallOptions): Promise<Result<O>>
  /** Resolves once every call has been sent, with its body, or has failed. */
  sent(): Promise<void>
  close(): void
}

interface Pending {
  readonly operation: Operation
  readonly resolve: (value: unknown) => void
  readonly reject: (failure: Failure) => void
  readonly onEvent: (value: unknown) => void
  readonly onData: ((chunk: Buffer) => void) | undefined
}

/** Anything that runs a command on the server and gives its standard streams. */
export interface Remote {
  exec(command: string): Promise<RemoteCommand>
}

type RemoteCommand = Duplex & {
  readonly stderr: Readable
  /** How the command exited, where that is known. */
  readonly exit?: Promise<{ readonly code: number | null; readonly signal: string | undefined }>
}

/** How much a login shell may print before the agent's first line, in bytes: more is an attack or an endless loop. */
const LONGEST_GREETING = 1024 * 1024

/**
 * Starts the agent.
 * @param timeoutMs limit for the login shell and Node to start
 * @param trace called with every message
 * @throws Failure `node-missing`, `no-shell` or `connection-lost`
 */
export async function openAgent(
  remote: Remote,
  agent: Omit<Bootstrap, 'sentinel'>,
  timeoutMs: number,
  trace: Trace = () => undefined,
  longest = longestSilence,
): Promise<AgentSession> {
  const sentinel = `gapless-${randomBytes(12).toString('hex')}`
  const started = remote.exec(bootstrapCommand({ ...agent, sentinel }))
  const late = () => failure('no-shell: start', { limit: formatLimit(timeoutMs) })
  const channel = await withTimeout(started, timeoutMs, late)
  let errors = ''
  channel.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString('utf8')).slice(-8000)))

  const { word, detail, rest } = await greet(channel, sentinel, timeoutMs, () => errors)
  if (word === greeting.noNode) throw nodeMissing(detail.split(':').filter((place) => place !== ''))
  if (word === greeting.needAgent) channel.write(agent.source)

  const pending = new Map<number, Pending>()
  let lost: Failure | undefined
  const lose = (cause: unknown) => {
    lost ??=
      cause instanceof Failure ? cause : failure('connection-lost: agent', {}, { evidence: errors, cause })
    for (const { reject } of pending.values()) reject(lost)
    pending.clear()
    silence.heard(null)
  }
  const silence = watchSilence((failure) => {
    lose(failure)
    // If the agent continues after all, its session is over.
    channel.destroy()
  }, longest)
  // The agent works on one call at a time, in order.
  const heard = () => {
    const [next] = pending.values()
    silence.heard(next?.operation ?? null)
  }
  channel.on('error', lose)
  channel.on('close', () => lose(undefined))
  dispatch().then(() => lose(undefined), lose)

  async function dispatch(): Promise<void> {
    for await (const { kind, payload } of decodeFrames(rest)) {
      if (kind !== frameKind.message) {
        const [next] = pending.values()
        if (kind !== frameKind.data || next?.onData === undefined)
          throw malformed('the server sent data that was not requested')
        next.onData(payload)
        heard()
        continue
      }
      const { id, kind: what, value } = parse(reply, payload.toString('utf8'), 'reply')
      const call = pending.get(id)
      if (call !== undefined)
        trace({ way: 'received', operation: call.operation, id, kind: what, bytes: payload.length, value })
      if (what === 'event') call?.onEvent(value)
      if (what === 'result') call?.resolve(value)
      if (what === 'error') call?.reject(Failure.revive(failureRecord(value, 'error')))
      if (what === 'result' || what === 'error') pending.delete(id)
      heard()
    }
  }

  const write = async (bytes: Buffer) => {
    if (lost) throw lost
    if (!channel.write(bytes)) await drainedOrClosed(channel)
    if (!lost) heard()
  }

  // A call made while another one's body is being sent goes out after that body.
  let sent: Promise<void> = Promise.resolve()
  const inTurn = (send: () => Promise<void>): Promise<void> => {
    const turn = sent.then(send)
    sent = turn.catch(() => undefined)
    return turn
  }

  let lastId = 0
  return {
    async call(operation, params, { body, onEvent = () => undefined, onData } = {}) {
      lastId += 1
      const id = lastId
      const answer = new Promise<unknown>((resolve, reject) => {
        if (lost) reject(lost)
        else pending.set(id, { operation, resolve, reject, onEvent, onData })
        if (pending.size === 1) heard()
      })
      // The agent may answer with an error while the body is still being sent.
      answer.catch(() => undefined)
      inTurn(async () => {
        const message = encodeMessage({ id, operation, params, body: body !== undefined })
        const sending = { way: 'sent', operation, id } as const
        trace({ ...sending, kind: 'request', bytes: message.length, value: params })
        await write(message)
        if (body === undefined) return
        let bytes = 0
        try {
          for await (const chunk of body) {
            if (!pending.has(id)) break
            bytes += chunk.length
            await write(encodeFrame(frameKind.data, chunk))
          }
        } catch (error) {
          // Nothing can follow an incomplete body.
          lose(Failure.from(error))
          channel.end()
          throw error
        }
        trace({ ...sending, kind: 'body', bytes })
        await write(encodeFrame(frameKind.end, Buffer.alloc(0)))
      }).catch((error: unknown) => {
        pending.get(id)?.reject(Failure.from(error))
        if (pending.delete(id)) heard()
      })
      return operations[operation].result(await answer, operation) as Result<typeof operation>
    },
    sent: () => sent,
    close: () => channel.end(),
  }
}

/** Leaves no listener behind: an upload waits thousands of times. An error is followed by a close. */
export function drainedOrClosed(channel: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      channel.off('drain', settle).off('close', settle)
      resolve()
    }
    channel.on('drain', settle).on('close', settle)
  })
}

/** Skips what the login shell prints, up to the line with the sentinel. */
async function greet(
  channel: RemoteCommand,
  sentinel: string,
  timeoutMs: number,
  errors: () => string,
): Promise<{ word: string; detail: string; rest: AsyncIterable<Buffer> }> {
  const input = channel[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let seen: Buffer = Buffer.alloc(0)
  const mark = Buffer.from(`${sentinel} `)
  const noShell = (reason: string) =>
    failure('no-shell', { reason }, { evidence: `${seen.toString('utf8').slice(-4000)}\n${errors()}`.trim() })
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noShell(`nothing came within ${formatLimit(timeoutMs)}`)), timeoutMs)
  })

  try {
    for (;;) {
      const start = seen.indexOf(mark)
      const end = start < 0 ? -1 : seen.indexOf(10, start)
      if (end >= 0) {
        const [word = '', ...detail] = seen
          .subarray(start + mark.length, end)
          .toString('utf8')
          .split(' ')
        return { word, detail: detail.join(' '), rest: continued(seen.subarray(end + 1), input) }
      }
      const next = await Promise.race([input.next(), timeout])
      if (next.done === true) {
        const { code, signal } = (await channel.exit?.catch(() => undefined)) ?? {}
        // Killed from outside, for example when the kernel is short of memory: that says nothing about the shell.
        if (signal !== undefined) throw failure('connection-lost: killed', { signal })
        throw noShell(`its command exited${code == null ? '' : ` with code ${code}`}`)
      }
      seen = Buffer.concat([seen, next.value])
      if (seen.length > LONGEST_GREETING)
        throw noShell(`more than ${formatBytes(LONGEST_GREETING)} came before it`)
    }
  } finally {
    clearTimeout(timer)
  }
}

async function* continued(
  first: Buffer,
  input: AsyncIterator<Buffer>,
): AsyncGenerator<Buffer, void, undefined> {
  if (first.length > 0) yield first
  for (;;) {
    const { done, value } = await input.next()
    if (done === true) return
    yield value
  }
}
