import { once } from 'node:events'
import { rmSync } from 'node:fs'
import http from 'node:http'
import { hostname, networkInterfaces } from 'node:os'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { ask, type FakeRelease, makeRelease, ROUTES, startWorker, type Worker } from './fake-release.ts'

/** How Node connects differs: the oldest, those before and after it tries several addresses, the newest. */
const NODES = process.env['GAPLESS_TEST_ALL'] === '1' ? ['current', '18', '20', '22', '24'] : ['current']

const folder = temporaryFolders()
const workers: Worker[] = []
const servers: http.Server[] = []
let compiled: string

beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(async () => {
  for (const { child, exit } of workers.splice(0)) {
    child.kill('SIGKILL')
    await exit
  }
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

/** Requests of the app to an address of its choice: `/ask/<way>?<url>`. */
const SELF = `
const early = new Promise((resolve) => require('node:http')
  .get({ host: '127.0.0.1', port: process.env.PORT }, (response) => resolve('HTTP ' + response.statusCode))
  .on('error', (error) => resolve(error.code)))
const text = async (stream) => { let all = ''; for await (const chunk of stream) all += chunk; return all }
const got = (...args) => new Promise((resolve, reject) =>
  require('node:http').get(...args, (response) => resolve(text(response))).on('error', reject))
const raw = (...args) => new Promise((resolve, reject) => {
  const socket = require('node:net').connect(...args).on('error', reject)
  socket.on('connect', () => socket.write('GET /who HTTP/1.0\\r\\n\\r\\n'))
  resolve(text(socket).then((answer) => answer.split('\\r\\n\\r\\n')[1]))
})
const lookup = (_, options, answer) =>
  options.all ? answer(null, [{ address: '127.0.0.1', family: 4 }]) : answer(null, '127.0.0.1', 4)
const THREAD = "const { parentPort, workerData } = require('node:worker_threads');" +
  "fetch(workerData).then((answer) => answer.text()).then((text) => parentPort.postMessage(text))"
const ways = {
  fetch: async (url) => (await fetch(url)).text(),
  http: (url) => got(url),
  agent: (url) => got(url, { agent: new (require('node:http').Agent)({ keepAlive: true }) }),
  lookup: ({ port }) => got({ host: 'app.example', port, path: '/who', lookup }),
  local: ({ port }) => got({ host: '127.0.0.1', port, path: '/who', localAddress: '127.0.0.1', family: 4 }),
  port: ({ port }) => raw(Number(port)),
  text: ({ port }) => raw(port),
  address: ({ port, hostname }) => raw(port, hostname),
  socket: ({ port }) => text(new (require('node:net').Socket)().connect({ port, host: 'localhost' })
    .on('connect', function () { this.write('GET /who HTTP/1.0\\r\\n\\r\\n') }))
    .then((answer) => answer.split('\\r\\n\\r\\n')[1]),
  thread: (url) => new Promise((resolve, reject) => new (require('node:worker_threads').Worker)(
    THREAD, { eval: true, workerData: url.href }).on('message', resolve).on('error', reject)),
  early: () => early,
}
server.prependListener('request', (request, response) => {
  const [, way, url] = /^[/]ask[/](\\w+)[?](.*)$/.exec(request.url) ?? []
  if (request.url === '/who') response.end(request.socket.localPort === +process.env.PORT ? 'its door' : 'itself')
  if (way) ways[way](new URL(url)).then((text) => response.end(text), (error) => response.end(String(error.cause ?? error)))
})
`
const SERVER = `${ROUTES.replace("response.end('hello')", "if (!/^.(ask|who)/.test(request.url)) response.end('hello')")}
${SELF}
early.then(() => server.listen(Number(process.env.PORT), process.env.HOSTNAME))`

/** The release that serves on the public port while the new one is checked. */
async function serveOther(port: number, host: string): Promise<void> {
  const server = http.createServer((_, response) => response.end('another release'))
  servers.push(server)
  await once(server.listen(port, host), 'listening')
}

async function candidate(node: string, nodeOptions: readonly string[] = []): Promise<Self> {
  const release = await makeRelease(folder(), compiled, { server: SERVER })
  await serveOther(release.port, '0.0.0.0')
  return start(release, true, node, nodeOptions)
}

interface Self {
  readonly release: FakeRelease
  /** What the app gets from its public port, or from another URL. */
  reach(way: string, host?: string, port?: number): Promise<string>
}

async function start(
  release: FakeRelease,
  isCandidate: boolean,
  node: string,
  nodeOptions: readonly string[] = [],
): Promise<Self> {
  const options = node === 'current' ? {} : { node: nodeBinary(node) }
  const worker = startWorker(release, { candidate: isCandidate, nodeOptions, ...options })
  workers.push(worker)
  await worker.ready
  return {
    release,
    reach: async (way, host = 'localhost', port = release.port) =>
      (await ask(worker.record()!.port, `/ask/${way}?http://${host}:${port}/who`)).body,
  }
}

const ownAddresses = Object.values(networkInterfaces())
  .flat()
  .flatMap((one) => (one === undefined || one.internal || one.family !== 'IPv4' ? [] : [one.address]))

describe.each(NODES)('on Node.js %s', (node) => {
  test('a candidate reaches itself at every address of its machine', async () => {
    const { reach } = await candidate(node)
    const named = ['127.0.0.1', 'localhost', '[::1]', '[::]', '0.0.0.0', '127.0.1.1', '[::ffff:127.0.0.1]']
    const hosts = [...named, hostname(), ...ownAddresses]
    const answers = await Promise.all(hosts.map(async (host) => [host, await reach('fetch', host)]))
    expect(answers).toEqual(hosts.map((host) => [host, 'itself']))
  })

  test('a candidate reaches itself whichever way it connects', async () => {
    const { reach } = await candidate(node)
    const ways = 'fetch http agent lookup local port text address socket thread'.split(' ')
    const answers = await Promise.all(ways.map(async (way) => [way, await reach(way)]))
    expect(answers).toEqual(ways.map((way) => [way, 'itself']))
  })

  test('connections to other ports and hosts stay as they are', async () => {
    const { reach } = await candidate(node)
    const other = http.createServer((_, response) => response.end('somebody else'))
    servers.push(other)
    await once(other.listen(0, '127.0.0.1'), 'listening')
    const { port } = other.address() as { port: number }
    expect(await reach('fetch', 'localhost', port)).toBe('somebody else')
    expect(await reach('http', 'name.invalid')).toMatch(/ENOTFOUND|EAI_AGAIN/)
  })

  test('a worker reaches itself, not the door that it shares with others', async () => {
    const release = await makeRelease(folder(), compiled, { server: SERVER })
    const { reach } = await start(release, false, node)
    expect((await ask(release.port, '/who')).body).toBe('its door')
    expect([await reach('fetch'), await reach('http', '127.0.0.1')]).toEqual(['itself', 'itself'])
  })

  test('a thread reaches it too, whatever the flags of Node are', async () => {
    const { reach } = await candidate(node, ['--max-old-space-size=300', '--no-deprecation'])
    expect(await reach('thread')).toBe('itself')
  })
})

test('an app that has not listened yet is refused, as with a plain start', async () => {
  const { reach } = await candidate('current')
  expect(await reach('early')).toBe('ECONNREFUSED')
})
