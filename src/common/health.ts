/** Requests a release's health on this machine, for the launcher and for the agent. */
import http from 'node:http'
import { formatDuration } from './format.ts'

/** What counts as healthy. */
export interface HealthCheck {
  readonly path: string
  /** Accepted status ranges, inclusive. */
  readonly status: readonly (readonly number[])[]
  readonly body: string | null
  readonly timeoutMs: number
  readonly intervalMs: number
  /** Null: the address that the request goes to. */
  readonly origin: Origin | null
}

/** Whom a request is for, as the headers of a proxy say it. */
export interface Origin {
  readonly scheme: 'http' | 'https'
  /** With its port, where that is not the scheme's own. */
  readonly host: string
}

export interface Answer {
  readonly healthy: boolean
  /** The HTTP status, or 0 where there was no answer. */
  readonly status: number
  /** In words: the status, and what was wrong with the answer. */
  readonly detail: string
  /** The first characters of the body, as evidence. */
  readonly excerpt: string
}

/** By this the counters of a worker know such a request. */
export const HEALTH_CHECK_AGENT = 'gapless-health-check'

/** Limit of one try, in ms: a slower answer is not healthy. */
const TRY_TIMEOUT = 10_000
const BODY_LIMIT = 1024 * 1024
const EXCERPT = 500

/** Sends one request; never rejects. `timeoutMs` is its limit. @param host an address, or the path of a Unix socket */
export function askHealth(
  host: string,
  port: number,
  check: HealthCheck,
  timeoutMs = TRY_TIMEOUT,
): Promise<Answer> {
  return new Promise((resolve) => {
    const fail = (detail: string) => resolve({ healthy: false, status: 0, detail, excerpt: '' })
    const request = http.get({
      ...(host.startsWith('/') ? { socketPath: host } : { host, port }),
      path: check.path,
      agent: false,
      headers: { 'user-agent': HEALTH_CHECK_AGENT, accept: '*/*', ...addressed(check) },
    })
    const deadline = setTimeout(
      () => request.destroy(new Error(`no answer within ${formatDuration(timeoutMs)}`)),
      timeoutMs,
    )
    request.on('close', () => clearTimeout(deadline))
    request.on('error', (error) => fail(error.message))
    // Without a listener Node closes the connection without an error (18 to 24).
    request.on('upgrade', (response, socket) => {
      socket.destroy()
      fail(`HTTP ${response.statusCode ?? 0}: a change of protocol that was not asked for`)
    })
    request.on('response', (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        if (size < BODY_LIMIT) chunks.push(chunk)
        size += chunk.length
      })
      response.on('error', (error) => fail(error.message))
      response.on('aborted', () => fail('the answer broke off'))
      response.on('end', () =>
        resolve(judge(check, response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8'))),
      )
    })
  })
}

/** Returns the headers that a proxy in front of the app would add. */
function addressed({ origin }: HealthCheck): http.OutgoingHttpHeaders {
  if (origin === null) return {}
  const { scheme, host } = origin
  return { host, 'x-forwarded-host': host, 'x-forwarded-proto': scheme }
}

/** Whether an HTTP answer is healthy. */
export function judge(check: HealthCheck, status: number, body: string): Answer {
  const excerpt = body.slice(0, EXCERPT)
  const accepted = check.status.some(([from = 0, to = 0]) => status >= from && status <= to)
  if (!accepted) return { healthy: false, status, detail: `HTTP ${status}`, excerpt }
  if (check.body !== null && !body.includes(check.body)) {
    return { healthy: false, status, detail: `HTTP ${status} without the expected text`, excerpt }
  }
  return { healthy: true, status, detail: `HTTP ${status}`, excerpt }
}
