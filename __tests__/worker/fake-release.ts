/** A tiny release of an app without Next.js, and its launcher as a real process, as PM2 starts it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Runtime } from '../../src/protocol/messages.ts'
import { activationFile, type ActivationFile } from '../../src/worker/activation-file.ts'
import { startTimeOf } from '../../src/common/process-identity.ts'
import type { WorkerRecord } from '../../src/worker/worker-record.ts'
import { run, runtimeWith } from '../agent/releases-on-disk.ts'
import { freePort } from '../support/port.ts'
import { until } from '../support/until.ts'

const ID = '20260101000001'

/** The app: what each path does is part of the tests. `flag(name)` is a file that the test makes. */
const ROUTES = `
const fs = require('node:fs'), { join } = require('node:path')
const flag = (name) => fs.existsSync(join(process.env.FLAGS, name))
const note = (line) => fs.appendFileSync(join(process.env.FLAGS, 'notes'), line + '\\n')
const when = (name, then) => { const timer = setInterval(() => flag(name) && (clearInterval(timer), then()), 10) }
const json = (response, value) => response.end(JSON.stringify(value))
let answering = 0
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/health') {
    response.statusCode = flag('sick') ? 503 : 200
    return response.end(flag('sick') ? 'sick' : 'fine')
  }
  answering += 1
  response.on('close', () => (answering -= 1))
  if (request.url === '/env') return json(response, process.env)
  if (request.url === '/slow') return when('answer', () => response.end('answered'))
  if (request.url === '/stream') { response.write('begun,'); return when('answer', () => response.end('ended')) }
  if (request.url === '/refuse') return when('answer', () => response.writeHead(401).end('who are you'))
  if (request.url === '/refuse-at-once') return response.writeHead(401).end('who are you')
  if (request.url === '/read') return request.resume().on('end', () => response.end('read it all'))
  if (request.url === '/keep') response.setHeader('Connection', 'keep-alive')
  response.end('hello')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {
  note(signal + ' with ' + answering + ' being answered')
  if (!flag('stay')) process.exit(signal === 'SIGINT' ? 130 : 143)
})
`
export const SERVER = `${ROUTES}
server.listen(Number(process.env.PORT), process.env.HOSTNAME)
`

export interface FakeReleaseOptions {
  readonly runtime?: Partial<Runtime>
  /** server.js; the routes above come with \`SERVER\` and \`ROUTES\` */
  readonly server?: string
  readonly files?: Readonly<Record<string, string>>
}

export interface FakeRelease {
  readonly id: string
  readonly app: string
  readonly directory: string
  readonly port: number
  readonly runtime: Runtime
  /** Makes a file that the app looks for. */
  raise(flag: string): void
  notes(): string
  announce(activation: Partial<ActivationFile>): void
}

export { ROUTES }

/** @param folder the test's own @param compiled what \`compile\` made */
export async function makeRelease(
  folder: string,
  compiled: string,
  { runtime = {}, server = SERVER, files = {} }: FakeReleaseOptions = {},
): Promise<FakeRelease> {
  const app = join(folder, 'app')
  const directory = join(app, 'releases', ID)
  const flags = join(folder, 'flags')
  for (const path of [join(directory, '.gapless'), join(app, '.gapless/workers'), flags])
    mkdirSync(path, { recursive: true })
  const port = await freePort()
  const health = {
    path: '/health',
    status: [[200, 399]],
    body: null,
    timeoutMs: 10_000,
    intervalMs: 50,
    origin: null,
  }
  const full = runtimeWith({ port, health, ...runtime, env: { FLAGS: flags, ...runtime.env } })
  const info = {
    id: ID,
    ...run,
    created: '',
    entry: 'server.js',
    staticPath: null,
    nextVersion: '',
    contentHash: '',
  }
  const content = {
    'server.js': server,
    '.gapless/release.json': JSON.stringify(info),
    '.gapless/runtime.json': JSON.stringify(full),
    '.gapless/launcher.cjs': `require(${JSON.stringify(join(compiled, 'worker/main.js'))})
      .launch(__filename, process.argv.includes('--candidate'))
      .catch((error) => { console.error(error); process.exit(1) })`,
    ...files,
  }
  for (const [name, body] of Object.entries(content)) writeFileSync(join(directory, name), body)
  return {
    id: ID,
    app,
    directory,
    port,
    runtime: full,
    raise: (flag) => writeFileSync(join(flags, flag), ''),
    notes: () => (existsSync(join(flags, 'notes')) ? readFileSync(join(flags, 'notes'), 'utf8') : ''),
    announce(activation) {
      const own: ActivationFile = {
        pid: process.pid,
        startTime: startTimeOf(process.pid) ?? '',
        target: ID,
        observe: true,
        stay: 60_000,
        halt: false,
      }
      writeFileSync(activationFile(app), JSON.stringify({ ...own, ...activation }))
    },
  }
}

export interface Worker {
  readonly child: ChildProcess
  /** The launcher said that it takes traffic. */
  readonly ready: Promise<void>
  isReady(): boolean
  /** What the worker says about itself, once it says anything. */
  record(): WorkerRecord | null
  /** The record once \`phase\` is reached. */
  in(phase: WorkerRecord['phase']): Promise<WorkerRecord>
  readonly exit: Promise<number | null>
  output(): string
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly candidate?: boolean
  /** The Node.js that runs it. */
  readonly node?: string
  readonly nodeOptions?: readonly string[]
}

export function startWorker(
  release: FakeRelease,
  { env = {}, candidate = false, node = process.execPath, nodeOptions = [] }: StartOptions = {},
): Worker {
  const child = spawn(
    node,
    [...nodeOptions, join(release.directory, '.gapless/launcher.cjs'), ...(candidate ? ['--candidate'] : [])],
    { cwd: release.app, env: { PATH: '/usr/bin:/bin', ...env }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  )
  let output = ''
  const keep = (chunk: Buffer) => (output += chunk.toString('utf8'))
  child.stdout!.on('data', keep)
  child.stderr!.on('data', keep)
  let isReady = false
  const ready = new Promise<void>((resolve) => {
    child.on('message', (message) => {
      if (message !== 'ready') return
      isReady = true
      resolve()
    })
  })
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  const record = (): WorkerRecord | null => {
    const folder = join(release.app, '.gapless/workers')
    const name = readdirSync(folder).find((each) => each === `${child.pid}.json`)
    return name === undefined ? null : (JSON.parse(readFileSync(join(folder, name), 'utf8')) as WorkerRecord)
  }
  return {
    child,
    ready,
    isReady: () => isReady,
    record,
    in: (phase) => until(`the worker is ${phase}`, () => (record()?.phase === phase ? record() : null)),
    exit,
    output: () => output,
  }
}

/** Asks on a connection of its own, or on those of an agent. */
export async function ask(port: number, path: string, agent: http.Agent | false = false): Promise<Answer> {
  const request = http.get({ host: '127.0.0.1', port, path, agent })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { status: response.statusCode ?? 0, headers: response.headers, body: await text(response) }
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

/** An open connection that speaks HTTP by hand, so that the test sees when it is closed. */
export interface Connection {
  get(path: string): Promise<string>
  /**
   * Sends the request with a body of so many bytes to the last byte, and only then looks for an answer, as many
   * clients do. Rejects when the server does not take all of it.
   */
  post(path: string, bytes: number): Promise<string>
  /** Says that a body of so many bytes comes, and waits for the answer before any of it does. */
  announce(path: string, bytes: number): Promise<string>
  /** More of the body that was announced. */
  send(bytes: number): void
  /** Sends requests without waiting for answers. @returns what comes until the server closes the connection */
  pipeline(paths: readonly string[]): Promise<string>
  /** When the server closed it, in performance.now's milliseconds. */
  readonly closed: Promise<number>
  isClosed(): boolean
}

export async function openConnection(port: number): Promise<Connection> {
  const socket: Socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  let received = ''
  let over = false
  socket.on('data', (chunk: Buffer) => (received += chunk.toString('utf8')))
  socket.on('error', () => undefined)
  const closed = new Promise<number>((resolve) => {
    socket.once('close', () => {
      over = true
      resolve(performance.now())
    })
  })
  const answerTo = (path: string) =>
    until(`an answer to ${path}`, () => (isWhole(received) ? received : over ? 'closed' : null))
  const head = (method: string, path: string, more = '') =>
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`
  return {
    async get(path) {
      received = ''
      socket.write(head('GET', path))
      return answerTo(path)
    },
    async post(path, bytes) {
      received = ''
      socket.pause()
      socket.write(head('POST', path, `Content-Length: ${bytes}\r\n`))
      await new Promise<void>((resolve, reject) => {
        socket.write(Buffer.alloc(bytes), (error) => (error ? reject(error) : resolve()))
      })
      socket.resume()
      return answerTo(path)
    },
    async announce(path, bytes) {
      received = ''
      socket.write(head('POST', path, `Content-Length: ${bytes}\r\n`))
      return answerTo(path)
    },
    send: (bytes) => void socket.write(Buffer.alloc(bytes)),
    async pipeline(paths) {
      received = ''
      socket.write(paths.map((path) => head('GET', path)).join(''))
      await closed
      return received
    },
    closed,
    isClosed: () => over,
  }
}

function isWhole(answer: string): boolean {
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const length = /content-length: (\d+)/i.exec(head)?.[1]
  return (
    answer.includes('\r\n\r\n') &&
    (length === undefined ? answer.endsWith('0\r\n\r\n') : body.length >= Number(length))
  )
}

export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
