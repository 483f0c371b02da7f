import { once } from 'node:events'
import { existsSync, lstatSync, rmSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { accepts, type FakeRelease, makeRelease, ROUTES, startWorker, type Worker } from './fake-release.ts'

/** A preview's worker listens on a Unix socket: each version of Node.js that a server may have. */
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

interface Preview {
  readonly release: FakeRelease
  readonly socket: string
}

async function make(server?: string): Promise<Preview> {
  const own = folder()
  const socket = join(own, 'app.sock')
  const release = await makeRelease(own, compiled, {
    runtime: { socket },
    ...(server === undefined ? {} : { server }),
  })
  return { release, socket }
}

async function ask(socketPath: string, path = '/') {
  const request = http.get({ socketPath, path, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return { headers: response.headers, body: await text(response) }
}

/** Visitors on new connections, who never try again. @returns what failed */
function visit(socket: string): () => Promise<readonly string[]> {
  const failures: string[] = []
  let over = false
  const visitor = async () => {
    while (!over) await ask(socket).catch((error: Error) => failures.push(error.message))
  }
  const visitors = [visitor(), visitor()]
  return async () => {
    over = true
    await Promise.all(visitors)
    return failures
  }
}

describe.each(NODES)('with Node.js %s', (name) => {
  const node = name === 'current' ? process.execPath : nodeBinary(name)
  const start = async ({ release }: Preview): Promise<Worker> => {
    const worker = startWorker(release, { node })
    workers.push(worker)
    await worker.ready
    return worker
  }

  test('listens on the socket alone, for the group too, and says noindex', async () => {
    const preview = await make()
    await start(preview)
    expect(await ask(preview.socket)).toMatchObject({ body: 'hello', headers: { 'x-robots-tag': 'noindex' } })
    expect(lstatSync(preview.socket).mode & 0o777).toBe(0o660)
    expect(await accepts(preview.release.port)).toBe(false)
  })

  test('says noindex whatever the app says', async () => {
    const own = ROUTES.replace(
      "response.end('hello')",
      "response.writeHead(200, { 'X-Robots-Tag': 'all' }).end('hello')",
    )
    const preview = await make(`${own}\nserver.listen(Number(process.env.PORT))`)
    await start(preview)
    expect((await ask(preview.socket)).headers['x-robots-tag']).toBe('noindex')
  })

  test('hands over without a failed request, and the last one leaves its socket behind', async () => {
    const preview = await make()
    const stop = visit(preview.socket)
    await new Promise((resolve) => setTimeout(resolve, 0))
    const old = await start(preview)
    const failedBefore = await stop()
    expect(failedBefore.every((message) => /ENOENT/.test(message))).toBe(true)

    const stopVisiting = visit(preview.socket)
    const next = await start(preview)
    const { ino } = lstatSync(preview.socket)
    old.child.kill('SIGINT')
    await old.exit
    expect(await ask(preview.socket)).toMatchObject({ body: 'hello' })
    expect(await stopVisiting()).toEqual([])
    expect(lstatSync(preview.socket).ino).toBe(ino)
    next.child.kill('SIGINT')
    await next.exit
    expect(existsSync(preview.socket)).toBe(true)
  })

  test('goes on when the newer worker is killed', async () => {
    const preview = await make()
    await start(preview)
    const next = await start(preview)
    next.child.kill('SIGKILL')
    await next.exit
    const stop = visit(preview.socket)
    for (let times = 0; times < 20; times += 1) expect((await ask(preview.socket)).body).toBe('hello')
    expect(await stop()).toEqual([])
  })

  test('replaces a socket that nobody listens on any more', async () => {
    const preview = await make()
    const dead = await start(preview)
    dead.child.kill('SIGKILL')
    await dead.exit
    expect(existsSync(preview.socket)).toBe(true)
    const refused = connect(preview.socket)
    expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }])
    await start(preview)
    expect((await ask(preview.socket)).body).toBe('hello')
  })

  test('never replaces a file', async () => {
    const preview = await make()
    writeFileSync(preview.socket, 'somebody’s')
    const worker = startWorker(preview.release, { node })
    workers.push(worker)
    expect(await worker.exit).toBe(1)
    expect(worker.output()).toContain(
      `cannot listen on ${preview.socket}: something other than a socket is there`,
    )
  })
})
