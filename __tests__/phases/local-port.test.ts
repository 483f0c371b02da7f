import { execFile } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from '@jest/globals'
import { type LocalPort, openLocalPort } from '../../src/phases/local-port.ts'
import { until } from '../support/until.ts'

const ports: LocalPort[] = []
const sockets: Socket[] = []
afterEach(() => {
  for (const port of ports.splice(0)) port.close()
  for (const socket of sockets.splice(0)) socket.destroy()
})

/** A port that greets whom it lets in. */
async function open() {
  const warnings: string[] = []
  const port = await openLocalPort(
    (socket) => {
      sockets.push(socket)
      socket.end('welcome')
    },
    { info: () => undefined, warning: (line) => void warnings.push(line) },
  )
  ports.push(port)
  return { port: port.number, warnings }
}

function greetingAt(host: string, port: number): Promise<string> {
  const socket = connect({ host, port })
  sockets.push(socket)
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
  socket.on('error', ({ message }) => (text = message))
  return new Promise((resolve) => socket.on('close', () => resolve(text)))
}

/** By a process of another user of this machine. */
function greetingOf(uid: number, port: number): Promise<string> {
  const code = `require('net').connect(${port}, '127.0.0.1').on('error', () => {}).pipe(process.stdout)`
  return new Promise((resolve) =>
    execFile(process.execPath, ['-e', code], { uid, cwd: '/' }, (error, out) =>
      resolve(error === null ? out : error.message),
    ),
  )
}

test('lets the user in, by IPv4 and by an IPv6 socket to the same address', async () => {
  const { port } = await open()
  expect(await greetingAt('127.0.0.1', port)).toBe('welcome')
  expect(await greetingAt('::ffff:127.0.0.1', port)).toBe('welcome')
})

test('listens on loopback only', async () => {
  const { port } = await open()
  expect(await greetingAt('127.0.0.2', port)).toContain('ECONNREFUSED')
})

test('takes nobody once it is closed', async () => {
  const { port } = await open()
  ports[0]!.close()
  expect(await greetingAt('127.0.0.1', port)).toContain('ECONNREFUSED')
})

const asRoot = process.getuid?.() === 0 ? describe : describe.skip
asRoot('on a machine that others use', () => {
  test('another user is turned away, and the log says so once', async () => {
    const { port, warnings } = await open()
    expect(await greetingOf(65_534, port)).toBe('')
    expect(await greetingOf(65_534, port)).toBe('')
    expect(await greetingOf(0, port)).toBe('welcome')
    await until('it is told', () => warnings.length > 0)
    expect(warnings).toEqual([expect.stringContaining('another user')])
  })
})
