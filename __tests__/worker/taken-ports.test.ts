import { once } from 'node:events'
import { createSocket } from 'node:dgram'
import { rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { verifyCandidate } from '../../src/agent/activation/candidate.ts'
import { layoutOf, makeFolders } from '../../src/agent/store/layout.ts'
import { compile } from '../support/compile.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { ask, makeRelease, ROUTES, SERVER, startWorker } from './fake-release.ts'

const NODES = process.env['GAPLESS_TEST_ALL'] === '1' ? ['current', '18', '20', '22', '24'] : ['current']
const binary = (node: string) => (node === 'current' ? process.execPath : nodeBinary(node))

const folder = temporaryFolders()
const cleanups: (() => unknown)[] = []
let compiled: string

beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** What the live release opens besides its public port. */
async function takePort(): Promise<number> {
  const server: Server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nthe live one'))
  await once(server.listen(0), 'listening')
  cleanups.push(() => server.close())
  return (server.address() as { port: number }).port
}

async function takeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  await once(socket.bind(0), 'listening')
  cleanups.push(() => socket.close())
  return socket.address().port
}

/** Checks a release that runs `code` before it listens, as the agent does. */
async function verify(code: string, node = 'current') {
  const server = `${code}\n${SERVER}`
  const { app, id, runtime } = await makeRelease(folder(), compiled, { server })
  const layout = layoutOf(app)
  makeFolders(layout)
  return verifyCandidate(layout, id, runtime, { node: binary(node), cwd: app, env: {}, limits: '' })
}

describe.each(NODES)('on Node.js %s', (node) => {
  test.each([
    ['a port', (port: number) => `listen(${port})`],
    ['a port and a host', (port: number) => `listen('${port}', '0.0.0.0', 10)`],
    ['options', (port: number) => `listen({ port: ${port}, host: '::', exclusive: true })`],
  ])('a candidate that listens on %s that is taken gets a free one', async (_, listen) => {
    const port = await takePort()
    const { movedPorts } = await verify(
      `require('node:http').createServer().on('error', () => process.exit(1)).${listen(port)}`,
      node,
    )
    expect(movedPorts).toEqual([port])
  })

  test.each([
    ['a port', (port: number) => `bind(${port}, '0.0.0.0')`],
    ['options', (port: number) => `bind({ port: ${port} }, () => undefined)`],
  ])('so does one that binds a UDP socket with %s', async (_, bind) => {
    const port = await takeUdpPort()
    const { movedPorts } = await verify(`require('node:dgram').createSocket('udp4').${bind(port)}`, node)
    expect(movedPorts).toEqual([port])
  })
})

test('a candidate keeps a second port that is free', async () => {
  const port = await takePort()
  await cleanups.pop()!()
  expect(await verify(`require('node:net').createServer().listen(${port})`)).toMatchObject({ movedPorts: [] })
})

test('a candidate reaches its own second port, not the live release’s, and calls the callback once', async () => {
  const second = await takePort()
  const server = `${ROUTES}
    require('node:http').createServer((_, response) => response.end('the candidate')).listen(${second}, () => note('up'))
    server.prependListener('request', (request, response) => request.url === '/second' &&
      fetch('http://localhost:${second}').then((answer) => answer.text()).then((text) => response.end(text)))
    server.listen(Number(process.env.PORT), process.env.HOSTNAME)`.replace(
    "response.end('hello')",
    "if (request.url !== '/second') response.end('hello')",
  )
  const release = await makeRelease(folder(), compiled, { server })
  const worker = startWorker(release, { candidate: true })
  cleanups.push(async () => {
    worker.child.kill('SIGKILL')
    await worker.exit
  })
  await worker.ready
  expect((await ask(worker.record()!.doorPort, '/second')).body).toBe('the candidate')
  expect(worker.record()).toMatchObject({ movedPorts: [second] })
  expect(release.notes()).toBe('up\n')
})

test('a worker of PM2 is told when its second port is taken', async () => {
  const port = await takePort()
  const server = `require('node:net').createServer().listen(${port})\n${SERVER}`
  const worker = startWorker(await makeRelease(folder(), compiled, { server }))
  expect(await worker.exit).toBe(1)
  expect(worker.output()).toContain('EADDRINUSE')
})

test.each([
  ['a child process', (port: number) => ({ address: `:::${port}`, listen: `${port}` })],
  ['a Unix socket', (_: number, path: string) => ({ address: path, listen: `'${path}'` })],
])('a candidate that dies of the address of %s is named the address and what to do', async (_, of) => {
  const path = `${folder()}/app.sock`
  const unix = createServer().listen(path)
  cleanups.push(() => unix.close())
  const { address, listen } = of(await takePort(), path)
  const child = `require("node:net").createServer().listen(${listen})`
  const failure = await failureOf(
    verify(`try { require('node:child_process').execFileSync(process.execPath, ['-e', ${JSON.stringify(child)}],
      { stdio: 'inherit' }) } catch { process.exit(1) }`),
  )
  expect(failure).toMatchObject({
    code: 'candidate-died',
    message: expect.stringContaining(`could not listen on "${address}"`),
    remedy: expect.stringContaining('as a PM2 app of its own'),
  })
})
