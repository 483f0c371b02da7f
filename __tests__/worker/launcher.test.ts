import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { sinceBoot } from '../../src/common/since-boot.ts'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { until } from '../support/until.ts'
import {
  accepts,
  ask,
  type FakeRelease,
  type FakeReleaseOptions,
  makeRelease,
  openConnection,
  ROUTES,
  SERVER,
  startWorker,
  type StartOptions,
  type Worker,
} from './fake-release.ts'

/** Closing connections is Node's work: each version that a server may have. */
const NODES = process.env['GAPLESS_TEST_ALL'] === '1' ? ['18', '20', '22', '24'] : ['current']

const folder = temporaryFolders()
const workers: Worker[] = []
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
})

const make = (options: FakeReleaseOptions = {}) => makeRelease(folder(), compiled, options)

function start(release: FakeRelease, options: StartOptions = {}): Worker {
  const worker = startWorker(release, options)
  workers.push(worker)
  return worker
}

async function serving(options: FakeReleaseOptions = {}): Promise<{ release: FakeRelease; worker: Worker }> {
  const release = await make(options)
  const worker = start(release)
  await worker.ready
  return { release, worker }
}

/** Nobody comes in any more, though who is inside may still be. */
const doorClosed = ({ port }: FakeRelease) => until('the door is closed', async () => !(await accepts(port)))

describe('the app’s environment', () => {
  test('is the release’s, with a few of the system’s, and nothing of whoever started the worker', async () => {
    const release = await make({
      runtime: { env: { GREETING: 'from the release', PATH: '/release/bin', PORT: '1' } },
    })
    const session = {
      HOME: '/home/app',
      LC_ALL: 'C.UTF-8',
      PM2_HOME: '/home/app/.pm2',
      pm_id: '3',
      GREETING: 'from the session',
      SECRET_OF_THE_SESSION: 'leaked',
      AWS_SECRET_ACCESS_KEY: 'leaked',
      HOSTNAME: 'the-machine',
      PORT: '9',
      NODE_ENV: 'development',
      NODE_OPTIONS: '--no-warnings',
    }
    await start(release, { env: session }).ready
    const { FLAGS = '' } = release.runtime.env
    expect(JSON.parse((await ask(release.port, '/env')).body)).toEqual({
      FLAGS,
      GREETING: 'from the release',
      HOME: '/home/app',
      LC_ALL: 'C.UTF-8',
      NODE_ENV: 'production',
      PATH: '/release/bin',
      PM2_HOME: '/home/app/.pm2',
      PORT: String(release.port),
      pm_id: '3',
    })
  })
})

describe('the front door', () => {
  test('stays closed until the release has proved itself behind it', async () => {
    const release = await make()
    release.announce({})
    release.raise('sick')
    const worker = start(release)
    const { port } = await until('it was asked', () =>
      worker.record()?.detail === 'HTTP 503' ? worker.record() : null,
    )

    expect(worker.record()).toMatchObject({ phase: 'proving', excerpt: 'sick', release: release.id })
    expect(await accepts(release.port)).toBe(false)
    expect((await ask(port, '/health')).status).toBe(503)
    expect(worker.isReady()).toBe(false)

    rmSync(join(release.runtime.env['FLAGS'] ?? '', 'sick'))
    await worker.ready
    expect(worker.record()).toMatchObject({ phase: 'open', doorPort: release.port, detail: 'HTTP 200' })
    expect((await ask(release.port, '/')).body).toBe('hello')
  })

  test('opens for a release that answers at all when no activation is under way, if it stays so', async () => {
    const release = await make({ runtime: { observeMs: 60_000 } })
    release.raise('sick')
    const worker = start(release)
    await until('it was asked', () => worker.record()?.detail === 'HTTP 503')
    expect(worker.isReady()).toBe(false)
    await worker.ready
    expect((await ask(release.port, '/health')).status).toBe(503)
  }, 60_000)

  test('stays closed where the activation halts: the release is not even started, and a signal ends it', async () => {
    const release = await make({})
    release.announce({ halt: true })
    const worker = start(release)
    await worker.ready
    expect(worker.record()).toMatchObject({ phase: 'halted', port: 0, doorPort: 0 })
    worker.child.kill('SIGINT')
    expect(await worker.exit).toBe(0)
  })

  test('opens only after a release on trial was healthy without a break for `observe`', async () => {
    const observeMs = 600
    const release = await make({ runtime: { observeMs } })
    release.announce({})
    const worker = start(release)
    await until('it was healthy', () => worker.record()?.detail === 'HTTP 200')
    release.raise('sick')
    await until('it was sick', () => worker.record()?.detail === 'HTTP 503')
    const healed = performance.now()
    rmSync(join(release.runtime.env['FLAGS'] ?? '', 'sick'))
    await worker.ready
    expect(performance.now() - healed).toBeGreaterThanOrEqual(observeMs)
  })

  test.each([
    ['another release', { target: '20260101000002' }],
    ['a process that is gone', { startTime: 'of an earlier process' }],
    ['this one, which needs no proof', { observe: false }],
  ])('does not wait for `observe` when the trial is that of %s', async (_, activation) => {
    const release = await make({ runtime: { observeMs: 60_000 } })
    release.announce(activation)
    await start(release).ready
    expect((await ask(release.port, '/')).status).toBe(200)
  })

  test('that is taken ends the worker with exit code 1, and it says why', async () => {
    const release = await make()
    const other = createServer().listen(release.port, '127.0.0.1')
    await once(other, 'listening')
    try {
      const worker = start(release)
      expect(await worker.exit).toBe(1)
      expect(worker.output()).toContain(`cannot listen on 127.0.0.1:${release.port}`)
      expect(worker.isReady()).toBe(false)
    } finally {
      other.close()
    }
  })
})

describe('server.js', () => {
  test.each([
    ['all addresses', {}],
    ['0.0.0.0, as Next.js does', { HOSTNAME: '0.0.0.0' }],
    ['127.0.0.1', { HOSTNAME: '127.0.0.1' }],
    ['::1', { HOSTNAME: '::1' }],
    ['localhost', { HOSTNAME: 'localhost' }],
  ])('sees the server.address() of a plain start when it listens on %s', async (_, env) => {
    const server = `${ROUTES}
      server.listen(Number(process.env.PORT), process.env.HOSTNAME, () => note(JSON.stringify(server.address())))`
    const release = await make({ server, runtime: { env } })
    const { PORT, FLAGS } = { PORT: String(release.port), FLAGS: release.runtime.env['FLAGS'] }
    const entry = join(release.directory, 'server.js')
    const plain = spawn(process.execPath, [entry], { env: { ...env, PORT, FLAGS } })
    await until('it listens', () => release.notes() !== '')
    plain.kill('SIGKILL')
    await once(plain, 'exit')
    await start(release).ready
    const [expected, seen] = release.notes().split('\n')
    expect(seen).toBe(expected)
  })

  test('may be an ES module', async () => {
    const server = `import { createRequire } from 'node:module'
      const require = createRequire(import.meta.url)
      await Promise.resolve()
      ${SERVER}`
    const { release } = await serving({ server, files: { 'package.json': '{"type":"module"}' } })
    expect((await ask(release.port, '/')).body).toBe('hello')
  })

  test('may listen with a callback, with options, and on other ports besides', async () => {
    const server = `${ROUTES}
      require('node:net').createServer().listen(0, '127.0.0.1')
      require('node:http').createServer().listen(0)
      server.listen({ port: Number(process.env.PORT), host: process.env.HOSTNAME }, () => note('listening'))`
    const { release } = await serving({ server })
    expect(release.notes()).toBe('listening\n')
    expect((await ask(release.port, '/')).body).toBe('hello')
  })

  test('that throws ends the worker with exit code 1', async () => {
    const worker = start(await make({ server: 'throw new Error("no database")' }))
    expect(await worker.exit).toBe(1)
    expect(worker.output()).toContain('no database')
  })

  test('finds itself alone in process.argv, as the program that was started', async () => {
    const server = `${ROUTES}
      note(process.argv.slice(1).join(' '))
      server.listen(Number(process.env.PORT), process.env.HOSTNAME)`
    const release = await make({ server })
    await start(release, { candidate: true }).ready
    expect(release.notes()).toBe(`${join(release.directory, 'server.js')}\n`)
  })
})

describe('a worker that is told to leave', () => {
  const drainTimeoutMs = 20_000
  /** Keeps idle connections for 1.5 s, not 5. */
  const impatient = `${ROUTES}
    server.keepAliveTimeout = 1500
    server.listen(Number(process.env.PORT), process.env.HOSTNAME)`

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s finishes what it answers, closing the connection after',
    async (signal) => {
      const { release, worker } = await serving({ runtime: { drainTimeoutMs }, server: impatient })
      const [slow, stream] = [await openConnection(release.port), await openConnection(release.port)]
      const answers = [slow.get('/slow'), stream.get('/stream')]
      // A third request answered means that the first two have arrived.
      await ask(release.port, '/')
      worker.child.kill(signal)
      await doorClosed(release)
      release.raise('answer')

      const [whole, streamed] = await Promise.all(answers)
      expect(whole).toMatch(/^HTTP\/1\.1 200 OK[^]*\r\nConnection: close\r\n[^]*answered$/)
      expect(streamed).toMatch(/^HTTP\/1\.1 200 OK[^]*begun,[^]*ended/)
      await slow.closed
      expect(await worker.exit).toBe(signal === 'SIGINT' ? 130 : 143)
    },
  )

  test('calls the app’s own handler at the very end, once nobody is inside', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs } })
    const connection = await openConnection(release.port)
    const answer = connection.get('/slow')
    await ask(release.port, '/')
    worker.child.kill('SIGINT')
    await doorClosed(release)
    expect(release.notes()).toBe('')
    release.raise('answer')
    expect(await answer).toContain('answered')
    expect(await worker.exit).toBe(130)
    expect(release.notes()).toBe('SIGINT with 0 being answered\n')
  })

  test('exits, though the app’s own handler throws and the app survives that', async () => {
    const broken = `process.on('unhandledRejection', () => undefined)
process.on('SIGINT', () => { throw new Error('a broken handler') })
`
    const { worker } = await serving({ runtime: { drainTimeoutMs: 500 }, server: broken + SERVER })
    worker.child.kill('SIGINT')
    expect(await worker.exit).toBe(0)
  })

  test('leaves idle connections open for a grace, and closes each with its next answer', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs }, server: impatient })
    // One that has not asked anything yet, and two that wait to be used again.
    const fresh = await openConnection(release.port)
    const [used, stubborn] = [await openConnection(release.port), await openConnection(release.port)]
    for (const connection of [used, stubborn])
      expect(await connection.get('/')).toMatch(/Connection: keep-alive/)
    const told = performance.now()
    worker.child.kill('SIGINT')
    await doorClosed(release)

    expect([fresh, used, stubborn].map((connection) => connection.isClosed())).toEqual([false, false, false])
    expect(await used.get('/')).toMatch(/^HTTP\/1\.1 200 OK[^]*Connection: close[^]*hello$/)
    // Though the app itself says otherwise.
    expect(await stubborn.get('/keep')).toMatch(/^HTTP\/1\.1 200 OK[^]*Connection: close[^]*hello$/)
    await Promise.all([used.closed, stubborn.closed])
    // Node's own timeout, which clients are told of, and a second more.
    expect((await fresh.closed) - told).toBeGreaterThanOrEqual(2400)
    expect(await worker.exit).toBe(130)
  })

  describe.each(NODES)('on Node.js %s', (node) => {
    test.each(['/refuse', '/refuse-at-once'])(
      'takes the whole of an upload that the app answers before it has read it (%s)',
      async (path) => {
        const release = await make({ runtime: { drainTimeoutMs }, server: impatient })
        const worker = start(release, node === 'current' ? {} : { node: nodeBinary(node) })
        await worker.ready
        const connections = await Promise.all([0, 1, 2].map(() => openConnection(release.port)))
        await ask(release.port, '/')
        worker.child.kill('SIGINT')
        await doorClosed(release)
        release.raise('answer')
        for (const [index, connection] of connections.entries())
          expect(await connection.post(path, 1_000_000 * 4 ** index)).toMatch(
            /^HTTP\/1\.1 401 [^]*who are you/,
          )
        // It may be used again, once.
        const [used, ...unused] = connections
        expect(await used!.get('/')).toMatch(/^HTTP\/1\.1 200 OK[^]*Connection: close[^]*hello$/)
        const answered = performance.now()
        await Promise.all(unused.map(({ closed }) => closed))
        // Of what has nothing to say any more nobody waits for the drain timeout.
        expect(performance.now() - answered).toBeLessThan(5000)
        expect(await worker.exit).toBe(130)
      },
    )

    test('answers all that were asked one behind the other, and closes with the last', async () => {
      const release = await make({ runtime: { drainTimeoutMs }, server: impatient })
      const worker = start(release, node === 'current' ? {} : { node: nodeBinary(node) })
      await worker.ready
      const connection = await openConnection(release.port)
      const answers = connection.pipeline(['/slow', '/slow', '/slow'])
      await ask(release.port, '/')
      worker.child.kill('SIGINT')
      await doorClosed(release)
      release.raise('answer')
      expect((await answers).match(/Connection: \S+|answered/g)).toEqual([
        'Connection: keep-alive',
        'answered',
        'Connection: keep-alive',
        'answered',
        'Connection: close',
        'answered',
      ])
    })
  })

  test('goes on reading what it has answered already for as long as it comes, and no longer', async () => {
    // The grace is 1.2 s.
    const server = `${ROUTES}
      server.keepAliveTimeout = 200
      server.listen(Number(process.env.PORT), process.env.HOSTNAME)`
    const { release, worker } = await serving({ server, runtime: { drainTimeoutMs } })
    const [coming, stopped] = [await openConnection(release.port), await openConnection(release.port)]
    const chunks = 20
    for (const connection of [coming, stopped])
      expect(await connection.announce('/refuse-at-once', chunks)).toMatch(/^HTTP\/1\.1 401 /)
    worker.child.kill('SIGINT')
    await doorClosed(release)
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      coming.send(1)
      await delay(100)
    }
    expect(await coming.get('/')).toMatch(/^HTTP\/1\.1 200 OK[^]*Connection: close[^]*hello$/)
    expect(stopped.isClosed()).toBe(true)
    expect(await worker.exit).toBe(130)
  })

  test('closes with the answer to a body that it has read', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs } })
    const connection = await openConnection(release.port)
    await ask(release.port, '/')
    worker.child.kill('SIGINT')
    await doorClosed(release)
    expect(await connection.post('/read', 1_000_000)).toMatch(/Connection: close[^]*read it all$/)
    await connection.closed
    expect(await worker.exit).toBe(130)
  })

  test.each(NODES)(
    'finishes what it answers however the app registers its handler, on Node.js %s',
    async (node) => {
      const exit = `() => { note('exit handler ran'); process.exit(7) }`
      const hooks = {
        prependListener: `process.prependListener('SIGINT', ${exit})`,
        prependOnceListener: `process.prependOnceListener('SIGINT', ${exit})`,
        'the prototype’s method': `require('node:events').prototype.prependListener.call(process, 'SIGINT', ${exit})`,
        'removeAllListeners of the signal': `process.removeAllListeners('SIGINT').on('SIGINT', ${exit})`,
        'removeAllListeners of everything': `process.removeAllListeners(); process.on('SIGINT', ${exit})`,
        'off for each handler found': `
        for (const found of process.rawListeners('SIGINT')) process.off('SIGINT', found)
        process.once('SIGINT', ${exit})`,
      }
      const seen = Object.entries(hooks).map(async ([name, hook]) => {
        const release = await make({ runtime: { drainTimeoutMs }, server: `${SERVER}\n${hook}` })
        const worker = start(release, node === 'current' ? {} : { node: nodeBinary(node) })
        await worker.ready
        const connection = await openConnection(release.port)
        const answer = connection.get('/slow')
        await ask(release.port, '/')
        worker.child.kill('SIGINT')
        await doorClosed(release)
        const early = release.notes()
        release.raise('answer')
        const answered = (await answer).endsWith('answered')
        return [name, { early, answered, code: await worker.exit, notes: release.notes() }]
      })
      const expected = { early: '', answered: true, code: 7, notes: 'exit handler ran\n' }
      expect(Object.fromEntries(await Promise.all(seen))).toEqual(
        Object.fromEntries(Object.keys(hooks).map((name) => [name, expected])),
      )
    },
    60_000,
  )

  test('holds back a handler that was registered before the launcher started', async () => {
    const preload = join(folder(), 'preload.cjs')
    writeFileSync(preload, `process.on('SIGINT', () => process.exit(7))`)
    const release = await make({ runtime: { drainTimeoutMs } })
    const worker = start(release, { env: { NODE_OPTIONS: `--require ${preload}` } })
    await worker.ready
    const connection = await openConnection(release.port)
    const answer = connection.get('/slow')
    await ask(release.port, '/')
    worker.child.kill('SIGINT')
    await doorClosed(release)
    release.raise('answer')
    expect(await answer).toContain('answered')
    expect(await worker.exit).toBe(7)
  })

  test('leaves when the app has removed all handlers of the signal', async () => {
    const server = `${SERVER}\nprocess.removeAllListeners('SIGINT')`
    const { release, worker } = await serving({ server, runtime: { drainTimeoutMs: 100 } })
    worker.child.kill('SIGINT')
    expect(await worker.exit).toBe(0)
    expect(release.notes()).toBe('')
  })

  test('does not stay beyond its drain timeout', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 500 } })
    const connection = await openConnection(release.port)
    void connection.get('/slow')
    await ask(release.port, '/')
    const told = performance.now()
    worker.child.kill('SIGINT')
    expect((await connection.closed) - told).toBeGreaterThanOrEqual(490)
    expect(await worker.exit).toBe(130)
  })

  test('gives the app’s own handler what is left of the drain timeout, and 5 s at the least', async () => {
    const server = `${ROUTES}
      server.listen(Number(process.env.PORT), process.env.HOSTNAME)
      process.removeAllListeners('SIGTERM')
      process.on('SIGTERM', () => {
        note('begun')
        when('finish', () => { note('done'); process.exit(7) })
      })`
    const leave = async (drain: number) => {
      const { release, worker } = await serving({ server, runtime: { drainTimeoutMs: drain } })
      worker.child.kill('SIGTERM')
      const told = performance.now()
      const gone = worker.exit.then((code) => ({ code, took: performance.now() - told }))
      await until('the handler runs', () => release.notes() !== '')
      return { release, gone }
    }
    const [over, short, long] = await Promise.all([leave(100), leave(8000), leave(drainTimeoutMs)])
    expect((await over.gone).took).toBeGreaterThan(4900)
    expect((await short.gone).took).toBeGreaterThan(7900)
    expect([(await over.gone).code, (await short.gone).code]).toEqual([0, 0])
    long.release.raise('finish')
    expect((await long.gone).code).toBe(7)
    expect(long.release.notes()).toBe('begun\ndone\n')
  }, 60_000)

  test('leaves without the app’s help when it has no handler of its own', async () => {
    const server = `require('node:http').createServer((_, response) => response.end()).listen(process.env.PORT)`
    const { worker } = await serving({ server, runtime: { drainTimeoutMs: 100 } })
    worker.child.kill('SIGTERM')
    expect(await worker.exit).toBe(0)
  })

  test('takes its record with it', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 100 } })
    const { pid } = worker.child
    expect(readdirSync(join(release.app, '.gapless/workers')).sort()).toEqual([`${pid}.json`, `${pid}.share`])
    worker.child.kill('SIGTERM')
    await worker.exit
    expect(readdirSync(join(release.app, '.gapless/workers'))).toEqual([])
  })

  test('before it has opened its door leaves at once', async () => {
    const release = await make({ runtime: { drainTimeoutMs } })
    release.announce({})
    release.raise('sick')
    const worker = start(release)
    await until('it was asked', () => worker.record()?.detail === 'HTTP 503')
    worker.child.kill('SIGINT')
    expect(await worker.exit).toBe(130)
  })
})

describe('while another release is on trial', () => {
  const other = { target: '20260101000002' }

  test('a worker that is told to leave goes on serving until the verdict', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 100 } })
    release.announce(other)
    worker.child.kill('SIGINT')
    worker.child.kill('SIGINT')
    // It may have taken the signal at any time from now on: whatever it does, it still answers.
    for (let request = 0; request < 100; request += 1) {
      const { status, headers } = await ask(release.port, '/')
      expect({ status, connection: headers.connection }).toEqual({ status: 200, connection: 'close' })
    }
    expect(worker.record()?.phase).toBe('open')

    rmSync(join(release.app, '.gapless/activation.json'))
    expect(await worker.exit).toBe(130)
    expect(await accepts(release.port)).toBe(false)
  })

  test('new connections keep their keep-alive until then', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 100 } })
    release.announce(other)
    worker.child.kill('SIGINT')
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    for (let request = 0; request < 100; request += 1) {
      expect((await ask(release.port, '/', agent)).headers.connection).toBe('keep-alive')
    }
    agent.destroy()
  })

  test('it leaves at once when the activation does not need it to stay', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 100 } })
    release.announce({ ...other, stay: 0 })
    worker.child.kill('SIGINT')
    expect(await worker.exit).toBe(130)
  })

  test('it says when it leaves at the latest, and does', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 100 } })
    expect(worker.record()).toMatchObject({ leavesAt: null })
    release.announce({ ...other, stay: 1500 })
    const told = sinceBoot()
    worker.child.kill('SIGINT')
    const leavesAt = await until('it says so', () => worker.record()?.leavesAt ?? null)
    expect(leavesAt - told).toBeGreaterThanOrEqual(1500)
    expect(await worker.exit).toBe(130)
    expect(sinceBoot()).toBeGreaterThanOrEqual(leavesAt)
  })

  test('it leaves at once when the activation had died before it was told to', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 100 } })
    release.announce({ ...other, startTime: 'of an earlier process' })
    worker.child.kill('SIGINT')
    expect(await worker.exit).toBe(130)
  })

  test('it stays when the activation dies, until the one that takes it up has its verdict', async () => {
    const { release, worker } = await serving({ runtime: { drainTimeoutMs: 100 } })
    release.announce(other)
    worker.child.kill('SIGINT')
    const first = await until('it stays', () => worker.record()?.leavesAt ?? null)
    const looked = (at: number) => until('it has looked again', () => worker.record()?.leavesAt === at)
    release.announce({ ...other, startTime: 'of an earlier process', stay: 60_001 })
    await looked(first + 1)
    expect((await ask(release.port, '/')).status).toBe(200)
    release.announce({ ...other, stay: 60_002 })
    await looked(first + 2)
    rmSync(join(release.app, '.gapless/activation.json'))
    expect(await worker.exit).toBe(130)
  })
})

describe('a candidate', () => {
  test('opens on a spare port of this machine, and leaves the public one alone', async () => {
    const release = await make()
    const worker = start(release, { candidate: true })
    await worker.ready
    const record = worker.record()
    expect(record).toMatchObject({ candidate: true, phase: 'open' })
    expect(record?.doorPort).not.toBe(release.port)
    expect((await ask(record!.doorPort, '/')).body).toBe('hello')
    expect(await accepts(release.port)).toBe(false)
  })

  test('must be healthy, though no activation is under way', async () => {
    const release = await make()
    release.raise('sick')
    const worker = start(release, { candidate: true })
    await until('it was asked', () => worker.record()?.detail === 'HTTP 503')
    expect(worker.record()?.phase).toBe('proving')
    expect(worker.isReady()).toBe(false)
  })

  test('ends at once with a signal: nobody is inside', async () => {
    const release = await make({ runtime: { drainTimeoutMs: 20_000 } })
    const worker = start(release, { candidate: true })
    await worker.ready
    const { doorPort } = worker.record()!
    await openConnection(doorPort)
    worker.child.kill('SIGTERM')
    expect(await worker.exit).toBe(143)
  })

  test('ends with the agent that started it', async () => {
    const worker = start(await make(), { candidate: true })
    await worker.ready
    worker.child.disconnect()
    expect(await worker.exit).toBe(1)
  })
})
