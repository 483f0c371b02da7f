import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http, { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { proxyObstacle } from '../../src/agent/system/proxy-access.ts'
import { type Front, startFront } from '../support/front.ts'
import { serveNginx } from '../support/nginx.ts'

const example = (name: string) =>
  readFileSync(join(import.meta.dirname, '..', '..', 'examples', 'proxy', name), 'utf8')
/** The blocks of "Previews" in docs/recipes.md in the real servers, in front of two sockets. */
const blocks = { nginx: example('previews.nginx.conf'), caddyfile: example('previews.Caddyfile') }

let folder: string
const apps: Server[] = []

/** A preview that answers as an app does: pages, a stream, an upgrade. */
async function startPreview(name: string): Promise<void> {
  const app = createServer((request, response) => {
    if (request.url === '/stream') {
      response.write('begun,')
      response.on('close', () => clearInterval(timer))
      const timer = setInterval(() => response.write('more,'), 20)
      return
    }
    if (request.url === '/broken') return void response.writeHead(502).end('the app said so')
    response.end(JSON.stringify({ name, url: request.url, headers: request.headers }))
  })
  app.on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    socket.on('error', () => undefined)
    socket.on('data', (data: Buffer) => socket.write(`${name} heard ${data.toString()}`))
  })
  const socket = join(folder, 'previews', `${name}.sock`)
  await new Promise<void>((resolve) => app.listen(socket, resolve))
  chmodSync(socket, 0o660)
  apps.push(app)
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gapless-previews-'))
  mkdirSync(join(folder, 'previews'))
})
afterAll(() => {
  for (const app of apps) {
    app.close()
    app.closeAllConnections()
  }
  rmSync(folder, { recursive: true })
})

/** Only as root does nginx run as a user of its own. */
const proxyGroup =
  process.getuid!() === 0
    ? /^www-data:[^:]*:(\d+):/m.exec(readFileSync('/etc/group', 'utf8'))?.[1]
    : undefined

/** As the docs ask for: everybody may enter the folder, and the folder of the sockets is the proxy's group's. */
function permit(): void {
  chmodSync(folder, 0o711)
  if (proxyGroup !== undefined) chownSync(join(folder, 'previews'), 0, Number(proxyGroup))
  chmodSync(join(folder, 'previews'), 0o2750)
}

function visit(front: Front, host: string, path = '/', headers: http.OutgoingHttpHeaders = {}) {
  return http.request(new URL(path, front.url), { headers: { host, ...headers }, agent: false })
}

async function answerOf(front: Front, host: string, path = '/') {
  const request = visit(front, host, path).end()
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return { status: response.statusCode, body }
}

const CADDY = '/usr/bin/caddy'
const fronts: readonly (readonly [string, () => Promise<Front>])[] = [
  [
    'nginx',
    () =>
      serveNginx(
        (port) => {
          const block = blocks.nginx
            .replace('listen 443 ssl', `listen 127.0.0.1:${port}`)
            .replace(/^ *ssl_certificate.*\n/gm, '')
            .replaceAll('/srv/previews/web', folder)
          return `server { listen 127.0.0.1:${port} default_server; return 200; }\n${block}`
        },
        proxyGroup === undefined ? '' : 'www-data',
      ),
  ],
  [
    'Caddy',
    () =>
      startFront({
        program: CADDY,
        args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
        configuration(port, own) {
          const block = blocks.caddyfile
            .replace(/^\*\.preview\.example\.com/m, `http://*.preview.example.com:${port}`)
            .replace(/\ttls \{[^]*?\n\t\}\n/, '')
            .replaceAll('/srv/previews/web', folder)
          return `{\n\tadmin off\n\tstorage file_system ${own}\n}\nhttp://127.0.0.1:${port} {\n\trespond ok\n}\n${block}`
        },
      }),
  ],
]

// `npm test` does not install Caddy; `npm run test:all` does.
describe.each(fronts.filter(([name]) => name !== 'Caddy' || existsSync(CADDY)))('%s', (_, start) => {
  let front: Front
  beforeAll(async () => {
    permit()
    if (apps.length === 0) for (const name of ['pr-1', 'pr-2']) await startPreview(name)
    front = await start()
  })
  afterAll(() => front.stop())

  test('leads each name to its socket, with what the app needs to know', async () => {
    for (const name of ['pr-1', 'pr-2']) {
      const host = `${name}.preview.example.com`
      const { status, body } = await answerOf(front, host, '/page?q=a%20b')
      expect({ status, ...(JSON.parse(body) as object) }).toMatchObject({
        status: 200,
        name,
        url: '/page?q=a%20b',
        headers: { host, 'x-forwarded-host': host, 'x-forwarded-proto': 'http' },
      })
    }
  })

  test('answers 404 for a preview that is not there, and for a name that none can have', async () => {
    for (const name of ['pr-3', 'pr_1', '-pr', '..%2f..%2fetc', 'a'.repeat(41)]) {
      const { status } = await answerOf(front, `${name}.preview.example.com`)
      // Outside of every block, nginx's own default answers.
      expect({ name, isRefused: status === 404 || status === 400 || status === 200 }).toEqual({
        name,
        isRefused: true,
      })
    }
    expect(await answerOf(front, 'pr-3.preview.example.com')).toMatchObject({
      status: 404,
      body: expect.stringContaining('There is no such preview.'),
    })
  })

  test('leaves the errors of the app alone', async () => {
    expect(await answerOf(front, 'pr-1.preview.example.com', '/broken')).toEqual({
      status: 502,
      body: 'the app said so',
    })
  })

  test('serves a preview that is deployed later, without a reload', async () => {
    const name = `later-${front.url.split(':').at(-1)}`
    expect(await answerOf(front, `${name}.preview.example.com`)).toMatchObject({ status: 404 })
    await startPreview(name)
    expect(await answerOf(front, `${name}.preview.example.com`)).toMatchObject({ status: 200 })
  })

  test('streams', async () => {
    const request = visit(front, 'pr-1.preview.example.com', '/stream').end()
    const response = await new Promise<http.IncomingMessage>((resolve) => request.once('response', resolve))
    const chunk = await Promise.race([
      new Promise<string>((resolve) => response.once('data', (data: Buffer) => resolve(data.toString()))),
      delay(5000, 'nothing', { ref: false }),
    ])
    expect(chunk).toMatch(/^begun,/)
    request.destroy()
  })

  test('passes WebSockets on', async () => {
    const request = visit(front, 'pr-2.preview.example.com', '/socket', {
      connection: 'Upgrade',
      upgrade: 'websocket',
    }).end()
    const heard = await new Promise<string>((resolve, reject) => {
      request.once('error', reject)
      request.once('upgrade', (_response, socket) => {
        socket.once('data', (data: Buffer) => {
          socket.destroy()
          resolve(data.toString())
        })
        socket.write('hello')
      })
    })
    expect(heard).toBe('pr-2 heard hello')
  })
})

describe('the proxy’s way to a socket', () => {
  const user = 4242
  const files = {
    '/etc/passwd': `root:x:0:0::/root:\nwww-data:x:${user}:${user}::/var/www:`,
    '/etc/group': '',
  }
  const read = (file: string) => files[file as keyof typeof files]
  const running = new Set([user])
  let own: string
  beforeEach(() => {
    own = mkdtempSync(join(tmpdir(), 'gapless-way-'))
    mkdirSync(join(own, 'previews'), { mode: 0o755 })
  })
  afterEach(() => rmSync(own, { recursive: true }))
  const socket = () => join(own, 'previews', 'pr-1.sock')

  test('is obstructed by a folder that it cannot enter, and by a socket of another group', () => {
    chmodSync(own, 0o700)
    expect(proxyObstacle(socket(), read, running)).toEqual({
      user: 'www-data',
      path: own,
      commands: `sudo chmod o+x '${own}'`,
    })
    chmodSync(own, 0o711)
    expect(proxyObstacle(socket(), read, running)).toMatchObject({
      path: socket(),
      commands: expect.stringMatching(/^sudo chgrp www-data '.*previews' && sudo chmod 2750 '.*previews'$/),
    })
  })

  test('is open where the folder’s group is the proxy’s, as the docs say', () => {
    chmodSync(own, 0o711)
    const group = process.getgid!()
    const files2 = { ...files, '/etc/group': `deploy:x:${group}:www-data` }
    expect(proxyObstacle(socket(), (file) => files2[file as keyof typeof files2], running)).toBe(null)
  })

  test('is nobody’s concern where no proxy has a user, or none runs', () => {
    chmodSync(own, 0o700)
    expect(proxyObstacle(socket(), read, new Set([1]))).toBe(null)
    expect(proxyObstacle(socket(), () => 'root:x:0:0::/root:', new Set([0]))).toBe(null)
  })
})
