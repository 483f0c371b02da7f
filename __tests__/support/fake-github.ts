/** GitHub's REST API as far as the action uses it: its paths, its answers, and its failures. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Call {
  /** `POST /repos/acme/site/deployments` */
  readonly what: string
  readonly body: Readonly<Record<string, unknown>> | null
  readonly token: string
}

interface Deployment {
  readonly id: number
  readonly environment: string
  readonly statuses: string[]
  readonly [name: string]: unknown
}

interface Comment {
  readonly id: number
  body: string
  readonly user: { readonly login: string; readonly type: string }
}

export interface FakeGithub {
  readonly url: string
  readonly calls: Call[]
  readonly deployments: Deployment[]
  readonly comments: Comment[]
  /** Answers in the place of the next requests, one each; null: never answers. */
  readonly failures: ((response: ServerResponse) => void)[]
  stop(): void
}

export async function startFakeGithub(): Promise<FakeGithub> {
  const calls: Call[] = []
  const deployments: Deployment[] = []
  const comments: Comment[] = []
  const failures: ((response: ServerResponse) => void)[] = []
  let last = 100

  const answer = (method: string, path: string, query: URLSearchParams, body: Record<string, unknown>) => {
    const repository = '/repos/acme/site'
    if (path === '/user') return [403, { message: 'Resource not accessible by integration' }]
    if (!path.startsWith(repository)) return [404, { message: 'Not Found' }]
    const rest = path.slice(repository.length)
    const [, id] = /^\/deployments\/(\d+)\/statuses$/.exec(rest) ?? []
    if (id !== undefined) {
      const deployment = deployments.find((each) => each.id === Number(id))!
      if (method === 'GET') return [200, deployment.statuses.map((state) => ({ state })).slice(0, 1)]
      deployment.statuses.unshift(String(body['state']))
      return [201, { id: (last += 1) }]
    }
    if (rest === '/deployments' && method === 'POST') {
      const made = { ...body, id: (last += 1), environment: String(body['environment']), statuses: [] }
      deployments.unshift(made)
      return [201, made]
    }
    if (rest === '/deployments') {
      return [200, deployments.filter(({ environment }) => environment === query.get('environment'))]
    }
    if (/^\/issues\/\d+\/comments$/.test(rest) && method === 'POST') {
      const user = { login: 'github-actions[bot]', type: 'Bot' }
      comments.push({ id: (last += 1), body: String(body['body']), user })
      return [201, comments.at(-1)]
    }
    if (/^\/issues\/\d+\/comments$/.test(rest)) {
      const page = Number(query.get('page') ?? 1) - 1
      const size = Number(query.get('per_page') ?? 30)
      return [200, comments.slice(page * size, page * size + size)]
    }
    const [, comment] = /^\/issues\/comments\/(\d+)$/.exec(rest) ?? []
    if (comment !== undefined && method === 'PATCH') {
      const found = comments.find((each) => each.id === Number(comment))!
      found.body = String(body['body'])
      return [200, found]
    }
    return [404, { message: 'Not Found' }]
  }

  const server = createServer((request: IncomingMessage, response) => {
    void text(request).then((content) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://github')
      const body = content === '' ? null : (JSON.parse(content) as Record<string, unknown>)
      const token = request.headers.authorization ?? ''
      calls.push({ what: `${request.method} ${pathname}`, body, token })
      const fail = failures.shift()
      if (fail !== undefined) return fail(response)
      const [status, value] = answer(request.method ?? '', pathname, searchParams, body ?? {})
      response.writeHead(status as number, { 'content-type': 'application/json' }).end(JSON.stringify(value))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    deployments,
    comments,
    failures,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
