/** GitHub's REST API: one repository, one token, and a limit of time for all requests together. */
import { setTimeout as delay } from 'node:timers/promises'
import { HttpClient } from '@actions/http-client'
import { formatLimit } from '../common/format.ts'
import { withTimeout } from '../common/timeout.ts'

export interface Api {
  /** @param path below the repository @returns the answer's JSON @throws Error in words for people, without the token */
  request(method: 'GET' | 'POST' | 'PATCH', path: string, body?: object): Promise<unknown>
  /** The token's user; null where the token has none, as a workflow's own. */
  login(): Promise<string | null>
}

export interface ApiOptions {
  /** As in `GITHUB_API_URL`. */
  readonly url: string
  readonly token: string
  /** `owner/name` */
  readonly repository: string
  /** For all requests together, in ms. */
  readonly limitMs: number
}

/** Of one request, in ms. */
const PATIENCE = 10_000
/** Before a second try, and twice as long before each one after that, in ms. */
const PAUSE = 500
const TRIES = 5

interface Answer {
  /** 0 where there was none. */
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly text: string
}

export function createApi({ url, token, repository, limitMs }: ApiOptions): Api {
  // It takes the runner's proxy from the environment.
  const client = new HttpClient('gapless', [], { allowRetries: false, socketTimeout: PATIENCE })
  const deadline = performance.now() + limitMs
  const left = () => deadline - performance.now()
  const headers = {
    authorization: `Bearer ${token}`,
    accept: 'application/vnd.github+json',
    'content-type': 'application/json',
    'x-github-api-version': '2022-11-28',
  }

  const send = async (method: string, address: string, body: string | null): Promise<Answer> => {
    const response = await client.request(method, address, body, headers)
    const { statusCode: status = 0, headers: answered } = response.message
    return { status, headers: answered, text: await response.readBody() }
  }

  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const content = body === undefined ? null : JSON.stringify(body)
    for (let tries = 1; ; tries += 1) {
      const patience = Math.min(PATIENCE, left())
      if (patience <= 0) throw new Error(`GitHub did not answer within ${formatLimit(limitMs)}`)
      const late = () =>
        new Error(`GitHub did not answer within ${formatLimit(Math.ceil(patience / 1000) * 1000)}`)
      const answer = await withTimeout(send(method, `${url}${path}`, content), patience, late).catch(
        (error: unknown): Answer => ({ status: 0, headers: {}, text: (error as Error).message }),
      )
      if (answer.status >= 200 && answer.status < 300) return parsed(answer.text)
      const pause = pauseAfter(answer, tries)
      if (pause === null || tries === TRIES || pause >= left()) throw problemOf(answer, `${method} ${path}`)
      await delay(pause)
    }
  }

  return {
    request: (method, path, body) => ask(method, `/repos/${repository}${path}`, body),
    login: () =>
      ask('GET', '/user').then(
        (user) => (user as { readonly login?: string } | null)?.login ?? null,
        () => null,
      ),
  }
}

/** How long to wait before the next try, in ms; null: another try would get the same answer. */
function pauseAfter({ status, headers }: Answer, tries: number): number | null {
  const usual = PAUSE * 2 ** (tries - 1)
  if (status === 0 || status >= 500) return usual
  if (status !== 403 && status !== 429) return null
  const after = Number(headers['retry-after'])
  if (headers['retry-after'] !== undefined && !Number.isNaN(after)) return Math.max(after * 1000, PAUSE)
  if (headers['x-ratelimit-remaining'] === '0') {
    return Math.max(Number(headers['x-ratelimit-reset']) * 1000 - Date.now(), PAUSE)
  }
  return status === 429 ? usual : null
}

function problemOf(answer: Answer, request: string): Error {
  if (answer.status === 0) return new Error(`${request}: ${answer.text}`)
  const said = (parsed(answer.text) as { readonly message?: unknown } | null)?.message
  const permission = answer.status === 403 || answer.status === 404 ? `; ${permissionFor(request)}` : ''
  return new Error(
    `${request}: HTTP ${answer.status}${typeof said === 'string' ? ` (${said})` : ''}${permission}`,
  )
}

function permissionFor(request: string): string {
  const [name, use] = request.includes('/issues/')
    ? ['pull-requests: write', 'to comment']
    : ['deployments: write', 'to record a deployment']
  return `the job needs the permission "${name}" ${use}`
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}
