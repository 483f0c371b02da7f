/** An app behind the launcher against the same files started as Next.js says: `node server.js`. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, realpathSync, rmSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { writeComparedApp } from '../support/compared-app.ts'
import { temporaryFolders } from '../support/folder.ts'
import { checkOutProject, type Kind } from '../support/projects.ts'
import { runAction } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

/** Each builds an app: GAPLESS_TEST_ALL=1 (npm run test:all). */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip

const kinds: readonly Kind[] = (
  [
    ['14.2.35', 'webpack'],
    ['15.5.29', 'webpack'],
    ['16.4.5', 'Turbopack'],
  ] as const
).map(([next, bundler]) => ({
  name: `compared ${next}`,
  next,
  bundler,
  router: 'App',
  packageManager: 'npm',
}))

/** What nginx adds that speaks TLS for example.com, as docs/getting-started.md sets it up. */
const PROXY = {
  host: 'example.com',
  'x-forwarded-host': 'example.com',
  'x-forwarded-proto': 'https',
  'x-forwarded-for': '203.0.113.7',
}

const PATHS = [
  '/',
  '/en',
  '/de/about',
  '/about',
  '/about?x=1',
  '/about/',
  '/absolute',
  '/form',
  '/seen-by-middleware',
  '/redirected-by-middleware',
  '/old/about',
  '/rewritten-by-config',
  '/nowhere/at/all',
  '/picture.png',
  '/_next/image?url=%2Fpicture.png&w=64&q=75',
  '/_next/image?url=%2Fnowhere.png&w=64&q=75',
  '/_next/image?url=http%3A%2F%2Fexample.com%2Fpicture.png&w=64&q=75',
  '/_next/static/nowhere.js',
  '/isr',
  '/api/plain',
  '/api/process',
  '/api/server',
  '/api/self',
  '/api/redirect',
  '/api/redirect?relative',
  '/api/revalidate',
  '/api/nowhere',
]

interface Sent {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** What a visitor gets, without what differs between two starts of anything. */
async function answerOf(port: number, path: string, { method = 'GET', headers = {}, body }: Sent = {}) {
  const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const { date: _, ...others } = response.headers
  return { path, method, status: response.statusCode, headers: others, body: await text(response) }
}

/** The hidden field by which a form without JavaScript names its action. */
const ACTION = /name="\$ACTION_ID_([0-9a-f]+)"/

async function answersOf(port: number, folder: string) {
  const answers: Awaited<ReturnType<typeof answerOf>>[] = []
  for (const [kind, headers] of [
    ['direct', {}],
    ['through TLS', PROXY],
  ] as const) {
    const ask = async (path: string, sent: Sent = {}) => {
      const answer = await answerOf(port, path, { ...sent, headers: { ...headers, ...sent.headers } })
      answers.push({ ...answer, path: `${path} ${kind}` })
      return answer
    }
    for (const path of PATHS) await ask(path)
    await ask('/about', { method: 'HEAD' })
    await ask('/about', { headers: { rsc: '1' } })
    const id = ACTION.exec((await ask('/en/form')).body)?.[1] ?? ''
    for (const origin of ['https://example.com', 'https://evil.example', `http://127.0.0.1:${port}`]) {
      for (const name of ['stay', 'go']) {
        await ask('/en/form', { method: 'POST', ...form({ [`$ACTION_ID_${id}`]: '', name }, { origin }) })
        const fields = { '1_name': name, '0': '["$K1"]' }
        await ask('/en/form', {
          method: 'POST',
          ...form(fields, { origin, 'next-action': id, accept: 'text/x-component' }),
        })
      }
    }
  }
  return answers.map((answer) => ({
    ...answer,
    body: answer.body
      .replaceAll(folder, '<app>')
      // Of an error's stack, which names the folder.
      .replaceAll(/"digest":"\d+(?:@E\d+)?"/g, '"digest":"…"')
      // Made for each request: React's keys of the head.
      .replaceAll(/"[\w-]{21}[vhm]"/g, '"…"'),
  }))
}

function form(fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>>) {
  const boundary = 'a-boundary'
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  return {
    headers: { ...headers, 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: `${parts.join('')}--${boundary}--\r\n`,
  }
}

const folder = temporaryFolders()
let server: TestServer
let plain: ChildProcess | undefined

beforeAll(async () => {
  server = await startServer()
})
afterEach(async () => {
  if (plain?.exitCode === null && plain.signalCode === null) {
    const exit = once(plain, 'exit')
    plain.kill('SIGKILL')
    await exit
  }
})
afterAll(() => server.stop(), 60_000)

thorough.each(kinds)('Next.js $next', (kind) => {
  test('answers as after a plain start, request by request', async () => {
    const checkout = await checkOutProject(kind)
    const copy = join(folder(), 'plain')
    try {
      writeComparedApp(checkout, kind)
      const run = await runAction({
        workspace: checkout.path,
        env: checkout.env,
        inputs: {
          ...server.inputs,
          'app-name': 'next-app',
          'health-check-path': '/api/plain',
          instances: '1',
        },
      })
      const log = run.code === 0 ? '' : `${run.summary}\n${run.log}`
      expect({ code: run.code, log }).toEqual({ code: 0, log: '' })
      const release = realpathSync(join(server.app, 'current'))
      // Before anybody asks: the server writes into its folder. Times show in `Last-Modified`.
      cpSync(release, copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      rmSync(join(copy, '.gapless'), { recursive: true })
      const port = server.appPort
      const ours = await answersOf(port, release)
      await server.pm2('delete', 'next-app')

      plain = spawn(process.execPath, [join(copy, 'server.js')], {
        env: { PATH: process.env['PATH'], HOME: server.home, PORT: String(port) },
        stdio: 'ignore',
      })
      await until('the plain server answers', () => answerOf(port, '/api/plain').catch(() => null))
      const theirs = await answersOf(port, realpathSync(copy))

      expect(ours.length).toBe(theirs.length)
      const plainly = theirs.map((expected, index) => ({ expected, got: ours[index] }))
      expect(plainly.filter(({ expected, got }) => !isDeepStrictEqual(expected, got))).toEqual([])
      const status = (path: string) => ours.find((answer) => answer.path === `${path} through TLS`)?.status
      expect(['/', '/about', '/de/about', '/isr', '/api/revalidate', '/api/self'].map(status)).toEqual(
        Array(6).fill(200),
      )
    } finally {
      checkout.remove()
    }
  }, 600_000)
})
