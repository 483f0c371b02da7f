/** Counts behind a real front door, with visitors who behave in every way. */
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { answeredBy, failedBy, p95, type Traffic } from '../../src/protocol/traffic.ts'
import { createFrontDoor } from '../../src/worker/front-door.ts'
import { countTraffic, remembering, type TrafficCounter } from '../../src/worker/traffic.ts'
import { until } from '../support/until.ts'

let app: http.Server
let entrance: net.Server
let port: number
let seen: Traffic[]
let counter: TrafficCounter

beforeEach(async () => {
  seen = []
  app = http.createServer((request, response) => {
    const [path] = request.url!.split('?')
    const status = Number(/^\/(\d{3})/.exec(path!)?.[1] ?? 200)
    if (path === '/hang') return
    if (path === '/slow') return void setTimeout(() => response.end('late'), 120)
    if (path === '/break-off') {
      response.write('half of it')
      return void setImmediate(() => response.destroy())
    }
    response.writeHead(status).end('done')
  })
  counter = countTraffic((traffic) => void seen.push(traffic))
  const door = createFrontDoor(app, { onRequest: counter.count })
  port = (await door.open((server) => (entrance = server).listen(0, '127.0.0.1'))).port
})
afterEach(() => {
  entrance.close()
  app.close()
  app.closeAllConnections()
})

const get = async (path: string, headers: http.OutgoingHttpHeaders = {}) => {
  const request = http.get({ host: '127.0.0.1', port, path, agent: false, headers })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  await new Promise((resolve) => response.resume().once('close', resolve))
}

/** The last report, once it has this many answers. */
const reported = (answers: number) =>
  until(`${answers} answers are reported`, () => {
    const last = seen.at(-1)
    const all = (last?.answers.reduce((sum, some) => sum + some, 0) ?? 0) + (last?.aborted ?? 0)
    return all === answers ? last! : null
  })

test('counts answers by class, and failed ones by their path without the query', async () => {
  for (const path of ['/', '/304', '/404?secret=1', '/500?token=hidden', '/500', '/503']) await get(path)
  const traffic = await reported(6)
  expect(traffic.answers).toEqual([0, 1, 1, 1, 3])
  expect(traffic.failing).toEqual({ '/500': 2, '/503': 1 })
  expect([answeredBy(traffic), failedBy(traffic), traffic.inProgress]).toEqual([5, 3, 0])
  expect(traffic.memoryBytes).toBeGreaterThan(1e6)
})

test('counts a connection that the app closes, and none that the client closes', async () => {
  const visitor = async (end: (socket: net.Socket) => void) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    const begun = seen.length
    socket.write('GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until('the request is in progress', () => (seen.at(-1)?.inProgress ?? 0) > 0 && seen.length > begun)
    end(socket)
    await until('it is over', () => seen.at(-1)!.inProgress === 0)
  }
  await visitor((socket) => socket.end())
  await visitor((socket) => socket.destroy())
  await visitor((socket) => socket.resetAndDestroy())
  expect(seen.at(-1)).toMatchObject({ aborted: 0, answers: [0, 0, 0, 0, 0] })
  await get('/break-off').catch(() => undefined)
  expect(await reported(1)).toMatchObject({ aborted: 1, failing: { '/break-off': 1 } })
}, 60_000)

test('leaves out health checks, and what comes to the private port', async () => {
  await get('/500', { 'user-agent': 'gapless-health-check' })
  const own = app.listen(0, '127.0.0.1')
  await once(own, 'listening')
  const request = http.get({ port: (own.address() as net.AddressInfo).port, path: '/500', agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await get('/')
  expect((await reported(1)).answers).toEqual([0, 1, 0, 0, 0])
})

test('tells how long answers took', async () => {
  await get('/slow')
  const traffic = await reported(1)
  expect(traffic.slowestMs).toBeGreaterThanOrEqual(115)
  expect(p95(traffic)).toBeGreaterThanOrEqual(115)
  expect(p95(traffic)).toBeLessThan(2 * traffic.slowestMs)
})

test('keeps a bounded number of paths', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  await Promise.all(
    Array.from({ length: 150 }, async (_, index) => {
      const request = http.get({ host: '127.0.0.1', port, path: `/500/${index}`, agent })
      const [response] = (await once(request, 'response')) as [http.IncomingMessage]
      await new Promise((resolve) => response.resume().once('close', resolve))
    }),
  )
  agent.destroy()
  const { failing } = await reported(150)
  expect(Object.keys(failing)).toHaveLength(101)
  expect(failing['other paths']).toBe(50)
})

test('reports at most once a second, and only changes', async () => {
  const begun = performance.now()
  while (performance.now() - begun < 2500) await get('/')
  expect(seen.length).toBeLessThanOrEqual(2)
  await until('the last answers are reported', () => seen.at(-1)?.inProgress === 0 && seen.length >= 3)
  const reports = seen.length
  await new Promise((resolve) => setTimeout(resolve, 1500))
  expect(seen).toHaveLength(reports)
})

test('remembers earlier moments of every age, and few of them', () => {
  const now: Traffic = {
    answers: [0, 10, 0, 0, 1],
    aborted: 0,
    errors: 0,
    inProgress: 0,
    slowestMs: 1,
    times: [],
    loopDelayMs: 0,
    memoryBytes: 0,
    failing: {},
    past: [],
  }
  let past: Traffic['past'] = []
  const end = 30 * 86_400_000
  for (let at = 0; at < end; at += 5000) past = remembering(past, now, at)
  expect(past.length).toBeLessThan(60)
  expect(past[0]).toMatchObject({ at: 0, answered: 11, failed: 1 })
  for (const age of [60_000, 600_000, 3_600_000, 86_400_000]) {
    const older = past.findLast(({ at }) => end - at >= age)!
    expect(end - older.at).toBeLessThanOrEqual(2.5 * age)
  }
})
