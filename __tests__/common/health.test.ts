import { once } from 'node:events'
import http from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { HealthCheck } from '../../src/common/health.ts'
import { askHealth } from '../../src/common/health.ts'
import { freePort } from '../support/port.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function listen(server: Server): Promise<number> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const serve = (handler: http.RequestListener) => listen(http.createServer(handler))

function check(changes: Partial<HealthCheck> = {}): HealthCheck {
  return {
    path: '/',
    status: [[200, 399]],
    body: null,
    timeoutMs: 1000,
    intervalMs: 100,
    origin: null,
    ...changes,
  }
}

const ask = (port: number, changes: Partial<HealthCheck> = {}, timeoutMs = 5000) =>
  askHealth('127.0.0.1', port, check(changes), timeoutMs)

describe('an answer is healthy', () => {
  test.each([
    [200, [[200, 399]]],
    [399, [[200, 399]]],
    [
      204,
      [
        [200, 200],
        [204, 204],
      ],
    ],
  ])('with status %d within %j', async (status, ranges) => {
    const port = await serve((_, response) => response.writeHead(status).end())
    expect(await ask(port, { status: ranges })).toMatchObject({
      healthy: true,
      status,
      detail: `HTTP ${status}`,
    })
  })

  test('with the expected text in it, wherever', async () => {
    const port = await serve((_, response) => {
      response.write('database: ')
      response.end('ök, cache: ok')
    })
    expect(await ask(port, { body: ': ök,' })).toMatchObject({ healthy: true })
  })

  test('to the path that was asked for, of whoever says that it checks the health', async () => {
    let seen: unknown
    const port = await serve(({ url, headers }, response) => {
      seen = { url, agent: headers['user-agent'] }
      response.end()
    })
    await ask(port, { path: '/docs/health?deep=1' })
    expect(seen).toEqual({ url: '/docs/health?deep=1', agent: 'gapless-health-check' })
  })

  test('to the public host, as a proxy would pass it on', async () => {
    const port = await serve(({ headers }, response) => {
      const { host, 'x-forwarded-host': forwarded, 'x-forwarded-proto': scheme } = headers
      response.end(JSON.stringify({ host, forwarded, scheme }))
    })
    const excerptOf = async (changes: Partial<HealthCheck>) =>
      JSON.parse((await ask(port, { ...changes, status: [[200, 200]], body: '{' })).excerpt || '{}') as object
    expect(await excerptOf({ origin: { scheme: 'https', host: 'example.com' } })).toEqual({
      host: 'example.com',
      forwarded: 'example.com',
      scheme: 'https',
    })
    expect(await excerptOf({})).toEqual({ host: `127.0.0.1:${port}` })
  })
})

describe('an answer is not healthy', () => {
  test('with another status: what it said is kept', async () => {
    const port = await serve((_, response) => response.writeHead(500).end('no database'))
    expect(await ask(port)).toEqual({
      healthy: false,
      status: 500,
      detail: 'HTTP 500',
      excerpt: 'no database',
    })
  })

  test('without the expected text', async () => {
    const port = await serve((_, response) => response.end('maintenance'))
    expect(await ask(port, { body: 'ok' })).toMatchObject({
      healthy: false,
      status: 200,
      detail: 'HTTP 200 without the expected text',
    })
  })

  test('when nobody listens', async () => {
    expect(await ask(await freePort())).toMatchObject({
      healthy: false,
      status: 0,
      detail: expect.stringContaining('ECONNREFUSED'),
    })
  })

  test('when it does not come in time', async () => {
    const port = await serve(() => undefined)
    expect(await ask(port, {}, 100)).toMatchObject({
      healthy: false,
      status: 0,
      detail: 'no answer within 100 ms',
    })
  })

  test('when it breaks off', async () => {
    const port = await serve((_, response) => {
      response.writeHead(200, { 'content-length': 100 })
      response.write('half', () => response.destroy())
    })
    expect(await ask(port)).toMatchObject({ healthy: false, status: 0 })
  })

  test('when it changes to another protocol, which nobody asked for', async () => {
    const port = await listen(
      createServer((socket) => {
        socket.on('error', () => undefined)
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      }),
    )
    expect(await ask(port)).toMatchObject({ healthy: false, detail: expect.stringContaining('HTTP 101') })
  })

  test('when it is none', async () => {
    const port = await listen(createServer((socket) => socket.end().on('error', () => undefined)))
    expect(await ask(port)).toMatchObject({ healthy: false, status: 0 })
  })

  test('when it never ends', async () => {
    const port = await serve((_, response) => void response.write('and then '))
    expect(await ask(port, {}, 100)).toMatchObject({ healthy: false, status: 0 })
  })

  test('when it is no HTTP', async () => {
    const port = await listen(
      createServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n').on('error', () => undefined)),
    )
    expect(await ask(port)).toMatchObject({
      healthy: false,
      status: 0,
      detail: expect.stringContaining('Parse Error'),
    })
  })
})

test('the excerpt is short, however long the answer is', async () => {
  const port = await serve((_, response) => response.end('x'.repeat(3_000_000)))
  const { excerpt, healthy } = await ask(port)
  expect({ healthy, length: excerpt.length }).toEqual({ healthy: true, length: 500 })
})
