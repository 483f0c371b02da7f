import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { type Cached, createRevalidatedApp, type RevalidatedApp } from '../support/revalidated-app.ts'
import { prebuilt, runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import type { WorkerRecord } from '../../src/worker/worker-record.ts'
import type { Workspace } from '../support/workspace.ts'

/**
 * What one worker revalidates, no worker serves any more: with each version of Next.js, which takes three minutes each:
 * GAPLESS_TEST_ALL=1 (npm run test:all). A page of the example app is always tried.
 */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1'
const WORKERS = 3
const REQUESTS = 30

/** The workers of the app that take traffic. */
function workersOf({ app }: TestServer): readonly WorkerRecord[] {
  const folder = join(app, '.gapless', 'workers')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .flatMap((name) => recordIn(join(folder, name)))
    .filter(({ phase, candidate, pid }) => phase === 'open' && !candidate && isRunning(pid))
}

/** None of a worker that has just left. */
function recordIn(file: string): readonly WorkerRecord[] {
  try {
    return [JSON.parse(readFileSync(file, 'utf8')) as WorkerRecord]
  } catch {
    return []
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const allWorkers = (server: TestServer) =>
  until('all workers take traffic', () => {
    const workers = workersOf(server)
    return workers.length === WORKERS && workers
  })

interface Asked {
  readonly method?: string
  readonly body?: string
  readonly type?: string
}

/** On a connection of its own: of the door, or of the worker behind a port. */
async function ask(
  port: number,
  path: string,
  { method = 'GET', body = '', type }: Asked = {},
): Promise<string> {
  const headers =
    type === undefined ? {} : { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }
  const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const answer = await text(response)
  expect({ path, status: response.statusCode, answer: response.statusCode === 200 ? '' : answer }).toEqual({
    path,
    status: 200,
    answer: '',
  })
  return answer
}

function expectLive({ code, outputs, log }: RunResult): string {
  expect({ code, status: outputs['status'], log: code === 0 ? '' : log }).toEqual({
    code: 0,
    status: 'live',
    log: '',
  })
  return outputs['release']!
}

describe('the example app', () => {
  let server: TestServer
  let workspace: Workspace
  beforeAll(async () => {
    server = await startServer()
    workspace = await buildOfExample('first')
  }, 240_000)
  afterAll(async () => {
    await server?.stop()
    workspace?.remove()
  })

  test('shows what one worker revalidated on every worker', async () => {
    const inputs = { ...server.inputs, ...prebuilt, instances: String(WORKERS) }
    expectLive(await runAction({ workspace: workspace.path, inputs }))
    const rendering = async (port: number) => /id="rendering">([^<]+)</.exec(await ask(port, '/cached'))?.[1]
    const workers = await allWorkers(server)
    const seen = new Set([await rendering(server.appPort)])
    for (const { port } of workers) {
      await ask(port, '/api/revalidate', { method: 'POST' })
      const shown = new Set<string | undefined>()
      for (let requests = 0; requests < REQUESTS; requests += 1) shown.add(await rendering(server.appPort))
      for (const { port: each } of workers) shown.add(await rendering(each))
      expect(shown.size).toBe(1)
      expect(seen.has([...shown][0])).toBe(false)
      for (const each of shown) seen.add(each)
    }
    expect(workers.map(({ cache }) => cache)).toEqual(workers.map(() => ({ shared: true, why: '' })))
  }, 90_000)
})

const versions = [
  { next: '16.4.6', react: '19.3.1' },
  { next: '15.5.29', react: '19.3.1' },
  { next: '14.2.35', react: '18.3.1' },
]
const all = thorough ? describe : describe.skip

interface Shown {
  readonly release: string
  readonly version: string
  readonly rendering: string
}

all.each(versions)('Next.js $next', (version) => {
  let server: TestServer
  let app: RevalidatedApp
  /** What the app shows when it renders. */
  let current = 'v1'
  let versionFile = ''
  const release: Record<string, string> = {}

  beforeAll(async () => {
    server = await startServer()
    app = createRevalidatedApp(version)
    versionFile = join(server.home, 'version')
    change()
    release['first'] = await deploy('first', {
      'install-command': 'npm install --no-audit --no-fund --no-package-lock',
    })
  }, 300_000)
  afterAll(async () => {
    await server?.stop()
    app?.remove()
  })

  function change(): void {
    current = `v${Number(current.slice(1)) + 1}`
    writeFileSync(versionFile, current)
  }

  const run = (inputs: Readonly<Record<string, string>>) =>
    runAction({
      workspace: app.path,
      inputs: { ...server.inputs, env: `VERSION_FILE=${versionFile}`, instances: String(WORKERS), ...inputs },
    })
  async function deploy(message: string, inputs: Readonly<Record<string, string>> = {}): Promise<string> {
    app.setMessage(message)
    return expectLive(await run({ 'install-command': 'none', ...inputs }))
  }

  async function show(port: number, path: string): Promise<Shown> {
    const [, name = '', shown = '', rendering = ''] =
      /\[(\w+) (\w+) ([0-9a-f-]{36})\]/.exec(await ask(port, path)) ?? []
    return { release: name, version: shown, rendering }
  }

  async function revalidate(port: number, { revalidate: path }: Cached): Promise<void> {
    if (path !== '/update') return void (await ask(port, path))
    const action = /name="(\$ACTION_ID_[^"]+)"/.exec(await ask(port, path))![1]!
    const body = `--b\r\nContent-Disposition: form-data; name="${action}"\r\n\r\n\r\n--b--\r\n`
    await ask(port, path, { method: 'POST', body, type: 'multipart/form-data; boundary=b' })
  }

  /** Through the door, on fresh connections, and each worker itself. */
  async function expectFresh({ path, mayBeOldOnce }: Cached): Promise<void> {
    const workers = workersOf(server)
    if (mayBeOldOnce === true)
      for (const { port } of workers)
        await until(
          'it was rendered in the background',
          async () => (await show(port, path)).version === current,
        )
    const shown: Shown[] = []
    for (let requests = 0; requests < REQUESTS; requests += 1) shown.push(await show(server.appPort, path))
    for (const { port } of workers) shown.push(await show(port, path))
    expect({ path, stale: shown.filter((each) => each.version !== current) }).toEqual({ path, stale: [] })
    // Data that Next.js keeps in memory alone each worker makes for itself. Next.js 14 answers before it has written a
    // page; and 14 and 15 render a page once more that another
    // worker has rendered and the build has not: they do not know how long it lives.
    if (path === '/api/used') return
    await until('all workers show the same rendering', async () => {
      const renderings = await Promise.all(
        workers.map(async ({ port }) => (await show(port, path)).rendering),
      )
      return new Set(renderings).size === 1
    })
  }

  const everyKind = () => Object.values(app.kinds)
  async function revalidateEverything(port: number): Promise<void> {
    change()
    for (const cached of everyKind()) await revalidate(port, cached)
  }
  async function expectAllFresh(): Promise<void> {
    for (const cached of everyKind()) await expectFresh(cached)
  }

  test('what any worker revalidates, every worker renders again', async () => {
    const workers = await allWorkers(server)
    for (const [kind, cached] of Object.entries(app.kinds)) {
      for (const { port } of workers) {
        for (const each of workers)
          expect({ kind, ...(await show(each.port, cached.path)) }).toMatchObject({ kind, release: 'first' })
        change()
        await revalidate(port, cached)
        await expectFresh(cached)
      }
    }
  }, 120_000)

  test('a worker that was killed after it revalidated, and the one in its place, know it', async () => {
    const [doomed, ...others] = await allWorkers(server)
    await revalidateEverything(doomed!.port)
    process.kill(doomed!.pid, 'SIGKILL')
    for (const cached of everyKind()) {
      if (cached.mayBeOldOnce === true) continue
      for (const { port } of others) expect((await show(port, cached.path)).version).toBe(current)
    }
    await allWorkers(server)
    await expectAllFresh()
  }, 60_000)

  test('workers that PM2 reloads know it', async () => {
    const [one] = await allWorkers(server)
    await revalidateEverything(one!.port)
    await server.pm2('reload', 'next-app')
    await allWorkers(server)
    await expectAllFresh()
  }, 90_000)

  test('a rollback brings nothing back that was revalidated on the newer release', async () => {
    release['second'] = await deploy('second')
    // The build is younger than every revalidation: its pages are shown as they were built.
    for (const path of ['/page', '/api/kept', '/old'])
      for (const { port } of await allWorkers(server))
        expect(await show(port, path)).toMatchObject({ release: 'second', version: 'built' })
    await revalidateEverything((await allWorkers(server))[1]!.port)
    await expectAllFresh()
    expectLive(await run({ command: 'rollback', release: release['first']! }))
    const workers = await allWorkers(server)
    expect((await show(workers[0]!.port, '/page')).release).toBe('first')
    await expectAllFresh()
  }, 240_000)

  test('pages of a build that is older than a revalidation are rendered again, whenever they arrived', async () => {
    await revalidateEverything((await allWorkers(server))[0]!.port)
    // The files of the build of `second`, which arrive now.
    app.write('public/new.txt', 'a new release')
    await deploy('second', { 'build-command': 'none' })
    await expectAllFresh()
  }, 120_000)

  test('10,000 revalidations by all workers at once leave all with the same', async () => {
    const workers = await allWorkers(server)
    const tags = ['/api/revalidate?tag=news', '/api/revalidate?tag=data', '/api/revalidate?path=/page']
    await Promise.all(
      workers.map(async ({ port }) => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
        let left = Math.ceil(10_000 / workers.length)
        const client = async () => {
          while (left > 0) {
            left -= 1
            const path = left % 50 === 0 ? '/news' : tags[left % 3]!
            const [response] = (await once(
              http.get({ host: '127.0.0.1', port, path, agent }),
              'response',
            )) as [http.IncomingMessage]
            await text(response)
          }
        }
        await Promise.all(Array.from({ length: 8 }, client))
        agent.destroy()
      }),
    )
    await revalidateEverything(workers[2]!.port)
    await expectAllFresh()
    const folder = join(server.app, '.gapless', 'revalidated')
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size)
    expect(sizes).toHaveLength(1)
    expect(sizes[0]).toBeLessThan(2 * 1024 * 1024)
  }, 180_000)

  test('status shows that the workers share, and a deploy says why they do not', async () => {
    const status = await run({ command: 'status' })
    expect(status.summary.match(/\| shared \|/g)).toHaveLength(WORKERS)
    app.write(
      'next.config.mjs',
      `export default { ${version.next.startsWith('16') ? 'experimental: { useCache: true }, ' : ''}cacheHandler: import.meta.dirname + '/cache-handler.mjs' }\n`,
    )
    app.write(
      'cache-handler.mjs',
      'export default class { get() {} set() {} revalidateTag() {} resetRequestCache() {} }\n',
    )
    const { code, summary } = await run({ 'install-command': 'none' })
    expect(code).toBe(0)
    expect(summary).toContain(
      '**Caches:** each worker keeps its cache to itself: the app sets `cacheHandler`',
    )
    expect(workersOf(server).map(({ cache }) => cache?.shared)).toEqual([false, false, false])
  }, 240_000)
})
