/**
 * Visitors for the example app: plain node:http clients that never try again, so that every request which fails
 * is seen. What counts as an answer is strict: status 200, the whole body, and the body that belongs there.
 */
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

export type Kind =
  /** GETs on one connection, with a pause in between, as a proxy keeps its connections. */
  | 'keepAlive'
  /** The same without a pause. */
  | 'busy'
  /** GETs on a new connection each. */
  | 'fresh'
  /** POSTs of 64 KiB on one connection, checked by the hash that the app answers. */
  | 'post'
  /** Answers that take seconds, one after the other: in flight at every moment. */
  | 'stream'

/** How many visitors of each kind there are at a time. */
export type Visitors = Readonly<Partial<Record<Kind, number>>>

export interface Limits {
  readonly maxMs: number
  readonly maxRequests: number
}

export interface FailedRequest {
  readonly kind: Kind
  readonly path: string
  /** When it failed, in ms since the load began. */
  readonly afterMs: number
  readonly error: string
}

export interface LoadReport {
  readonly durationMs: number
  /** `stopped` by its owner, or at one of its limits before. */
  readonly end: 'stopped' | 'time limit' | 'request limit'
  readonly requests: number
  readonly byKind: Readonly<Record<Kind, number>>
  readonly failures: readonly FailedRequest[]
  /** The slowest answer other than a stream's. */
  readonly slowestMs: number
  /** The longest time in which nobody got an answer. */
  readonly longestSilenceMs: number
  /** How many answers came from the release of each message. */
  readonly releases: Readonly<Record<string, number>>
}

export interface Load {
  readonly soFar: () => { readonly requests: number; readonly failed: number }
  /** Begins no more requests, waits for those in flight, and reports. */
  stop(): Promise<LoadReport>
}

const THINK_TIME = 100
/** A request that takes longer has failed: a visitor has gone by then. In ms. */
const PATIENCE = 30_000
const POST_BYTES = 64 * 1024
const STREAM = '/api/stream?seconds=4&chunks=16'

/**
 * @param url of the example app, `http://host:port`
 * @param limits where the load ends by itself: after 120 s or 20,000 requests unless said otherwise
 */
export function startLoad(
  url: string,
  visitors: Visitors,
  limits: Limits = { maxMs: 120_000, maxRequests: 20_000 },
): Load {
  const begun = performance.now()
  const elapsed = () => Math.round(performance.now() - begun)
  const byKind: Record<Kind, number> = { keepAlive: 0, busy: 0, fresh: 0, post: 0, stream: 0 }
  const failures: FailedRequest[] = []
  const releases: Record<string, number> = {}
  let requests = 0
  let slowest = 0
  let lastAnswer = begun
  let longestSilence = 0
  const answered = (kind: Kind, askedAt: number) => {
    const now = performance.now()
    if (kind !== 'stream') slowest = Math.max(slowest, now - askedAt)
    // After the end nobody asks any more: what still comes are the last streams.
    if (end !== undefined) return
    longestSilence = Math.max(longestSilence, now - lastAnswer)
    lastAnswer = now
  }
  let end: LoadReport['end'] | undefined
  let endedAfter = 0
  const finish = (how: LoadReport['end']) => {
    if (end !== undefined) return
    end = how
    endedAfter = elapsed()
  }

  const visit = async (kind: Kind) => {
    const agent = new Agent({ keepAlive: kind !== 'fresh', maxSockets: 1 })
    for (let turn = 0; end === undefined; turn += 1) {
      if (requests >= limits.maxRequests) return finish('request limit')
      if (elapsed() >= limits.maxMs) return finish('time limit')
      const { path, ask } = requestOf(kind, turn)
      requests += 1
      byKind[kind] += 1
      const askedAt = performance.now()
      try {
        const message = await ask(url, agent)
        answered(kind, askedAt)
        if (message !== undefined) releases[message] = (releases[message] ?? 0) + 1
      } catch (error) {
        failures.push({ kind, path, afterMs: elapsed(), error: (error as Error).message })
        // A server that refuses at once must not be asked thousands of times a second.
        await delay(THINK_TIME)
      }
      if (kind !== 'busy' && kind !== 'stream') await delay(THINK_TIME)
    }
    agent.destroy()
  }

  const running = Promise.all(
    (Object.entries(visitors) as [Kind, number][]).flatMap(([kind, count]) =>
      Array.from({ length: count }, () => visit(kind)),
    ),
  )
  return {
    soFar: () => ({ requests, failed: failures.length }),
    async stop() {
      finish('stopped')
      await running
      const slowestMs = Math.round(slowest)
      const longestSilenceMs = Math.round(longestSilence)
      return {
        durationMs: endedAfter,
        end: end!,
        requests,
        byKind,
        failures,
        slowestMs,
        longestSilenceMs,
        releases,
      }
    },
  }
}

interface Ask {
  readonly path: string
  /** @returns the message of the release that answered, where the answer tells */
  readonly ask: (url: string, agent: Agent) => Promise<string | undefined>
}

function requestOf(kind: Kind, turn: number): Ask {
  if (kind === 'post') return { path: '/api/echo', ask: postAndCompare }
  if (kind === 'stream') return { path: STREAM, ask: readStream }
  return turn % 2 === 0 ? { path: '/', ask: readPage } : { path: '/api/release', ask: readRelease }
}

async function readPage(url: string, agent: Agent): Promise<string> {
  const message = messageOf(await send(`${url}/`, agent))
  if (message === undefined) throw new Error('the page does not name its release')
  return message
}

async function readRelease(url: string, agent: Agent): Promise<string> {
  return (JSON.parse(await send(`${url}/api/release`, agent)) as { message: string }).message
}

async function readStream(url: string, agent: Agent): Promise<undefined> {
  if (!(await send(url + STREAM, agent)).endsWith('done\n')) throw new Error('the stream was cut off')
}

async function postAndCompare(url: string, agent: Agent): Promise<undefined> {
  const body = randomBytes(POST_BYTES)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const answer = JSON.parse(await send(`${url}/api/echo`, agent, body)) as Record<string, unknown>
  if (answer['length'] !== body.length || answer['sha256'] !== sha256)
    throw new Error('the app received another body than was sent')
}

/** The release's message on the example app's front page. */
export function messageOf(page: string): string | undefined {
  return /<code id="message">([^<]*)<\/code>/.exec(page)?.[1]
}

/**
 * One request, once.
 * @returns the whole body
 * @throws when the connection fails, the body is cut off, the status is not 200, or it takes too long
 */
export function send(url: string, agent: Agent, body?: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'Content-Length': body.length }
    const sent = request(url, { agent, headers, method: body === undefined ? 'GET' : 'POST' }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('error', settle)
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8')
        if (answer.statusCode === 200) settle(undefined, text)
        else settle(new Error(`status ${answer.statusCode}: ${text.slice(0, 200)}`))
      })
    })
    const timer = setTimeout(() => sent.destroy(new Error(`no whole answer within ${PATIENCE} ms`)), PATIENCE)
    const settle = (error: Error | undefined, text = '') => {
      clearTimeout(timer)
      if (error === undefined) resolve(text)
      else reject(error)
    }
    sent.on('error', settle)
    sent.end(body)
  })
}
