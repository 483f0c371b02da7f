import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { startLoad, type LoadReport } from '../support/load.ts'
import { startNginx, type Nginx } from '../support/nginx.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { checkOut, sabotage, type Workspace } from '../support/workspace.ts'

/**
 * Promise 1 and 2: not one request fails, whatever is deployed. The core of it runs always; with
 * GAPLESS_TEST_ALL=1 (npm run test:all) all of it.
 */
const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? test : test.skip

const visitors = { keepAlive: 6, busy: 2, fresh: 3, post: 3, stream: 2 }
const prebuilt = { 'install-command': 'none', 'build-command': 'none', 'health-check-timeout': '8s' }

let server: TestServer
let nginx: Nginx | undefined
let first: Workspace
let second: Workspace

beforeAll(async () => {
  server = await startServer()
  first = await buildOfExample('first')
  second = await buildOfExample('second')
  const run = await runAction({ workspace: first.path, inputs: { ...server.inputs, ...prebuilt } })
  if (run.code !== 0) throw new Error(run.log)
  nginx = await startNginx(server.appPort)
}, 300_000)
afterAll(async () => {
  await nginx?.stop()
  await server?.stop()
  first?.remove()
  second?.remove()
})

/** Runs the action while visitors come, directly and through nginx. */
async function underLoad(
  inputs: Record<string, string>,
  workspace = second,
): Promise<{ run: RunResult; load: LoadReport }> {
  const loads = [startLoad(server.url, visitors), startLoad(nginx!.url, { keepAlive: 4, post: 2, stream: 1 })]
  const run = await runAction({
    workspace: workspace.path,
    inputs: { ...server.inputs, ...prebuilt, ...inputs },
  })
  const [direct, proxied] = (await Promise.all(loads.map((load) => load.stop()))) as [LoadReport, LoadReport]
  const load = {
    ...direct,
    requests: direct.requests + proxied.requests,
    failures: [...direct.failures, ...proxied.failures],
  }
  return { run, load }
}

function expectNoGap({ load }: { load: LoadReport }, log: string): void {
  expect({ failures: load.failures, log: load.failures.length > 0 ? log : '' }).toEqual({
    failures: [],
    log: '',
  })
  expect(load.requests).toBeGreaterThan(200)
}

const live = async () =>
  ((await (await fetch(`${server.url}/api/release`)).json()) as { message: string }).message

/** Those that were asked to leave drain in the background. */
const online = async () => (await server.pm2List()).filter(({ pm2_env }) => pm2_env.status === 'online')

describe.each(all ? [2, 1, 4] : [2])('with %i workers', (instances) => {
  const workers = { instances: String(instances) }

  test('a deploy, a redeploy and a rollback lose no request', async () => {
    for (const [workspace, message] of [
      [first, 'first'],
      [second, 'second'],
    ] as const) {
      const result = await underLoad(workers, workspace)
      expect({ ...result.run.outputs, code: result.run.code }).toMatchObject({ code: 0, status: 'live' })
      expectNoGap(result, result.run.log)
      expect(await live()).toBe(message)
      expect(await online()).toHaveLength(instances)
    }
    const result = await underLoad({ command: 'rollback' })
    expect({ ...result.run.outputs, code: result.run.code }).toMatchObject({ code: 0, status: 'live' })
    expectNoGap(result, result.run.log)
    expect(await live()).toBe('first')
  }, 240_000)

  describe.each([
    ['throws at boot', 'kept', `throw new Error('boom')`],
    ['exits 0 at boot', 'kept', `process.exit(0)`],
    ['never listens', 'kept', `setInterval(() => {}, 1000); return`],
    ['listens but never answers', 'kept', answering('return true')],
    ['answers 500', 'kept', answering(`response.statusCode = 500; response.end('broken'); return true`)],
    [
      'dies on its third request',
      'kept or restored',
      answering(`if ((globalThis.asked = (globalThis.asked ?? 0) + 1) > 2) process.exit(1)`),
    ],
    ['throws at boot only under PM2', 'restored', underPm2(`throw new Error('boom')`)],
    ['exits 0 at boot only under PM2', 'restored', underPm2(`process.exit(0)`)],
    ['never listens under PM2', 'restored', underPm2(`setInterval(() => {}, 1000); return`)],
    ['blocks its event loop under PM2', 'restored', underPm2(`for (;;);`)],
    [
      'answers 500 only under PM2',
      'restored',
      underPm2(answering(`response.statusCode = 500; response.end('broken'); return true`)),
    ],
    ['dies 1.5 s after its start under PM2', 'restored', underPm2(`setTimeout(() => process.exit(1), 1500)`)],
  ])('a release that %s', (name, status, code) => {
    // Of those that fail as candidates deploy.server.test.ts has one.
    const core = ['throws at boot only under PM2', 'dies 1.5 s after its start under PM2']
    const run = all || core.includes(name) ? test : test.skip

    run(
      `ends ${status}, and no request fails`,
      async () => {
        const before = { live: await live(), current: server.current() }
        const broken = sabotage(second.copyBuilt(), code)
        try {
          // One that dies 1.5 s after its start must die while its door is still closed.
          const result = await underLoad({ ...workers, observe: '2s' }, broken)
          expect(result.run.code).toBe(1)
          expect(status.split(' or ')).toContain(result.run.outputs['status'])
          expect(result.run.outputs['live-release']).toBe(before.current)
          expectNoGap(result, result.run.log)
          expect({ live: await live(), current: server.current() }).toEqual(before)
          const workersNow = (await server.pm2List()).filter(({ pm2_env }) => pm2_env.status === 'online')
          expect(workersNow).toHaveLength(instances)
        } finally {
          broken.remove()
        }
      },
      180_000,
    )
  })
})

thorough(
  'a release that answers 200 with the wrong body is kept out',
  async () => {
    const { run, load } = await underLoad({ 'health-check-body': 'no page says this' })
    expect({ ...run.outputs, code: run.code }).toMatchObject({ code: 1, status: 'kept' })
    expectNoGap({ load }, run.log)
  },
  60_000,
)

thorough(
  'a release that listens only after 20 s goes live',
  async () => {
    const late = `if (!globalThis.late) { globalThis.late = true; setTimeout(() => { delete require.cache[__filename]; require(__filename) }, 20000); return }`
    const slow = sabotage(second.copyBuilt(), late)
    try {
      const result = await underLoad({ 'health-check-timeout': '60s' }, slow)
      expect({ ...result.run.outputs, code: result.run.code }).toMatchObject({ code: 0, status: 'live' })
      expectNoGap(result, result.run.log)
    } finally {
      slow.remove()
    }
  },
  180_000,
)

thorough(
  'a release whose instrumentation hook throws is kept out',
  async () => {
    const checkout = checkOut()
    checkout.write('instrumentation.ts', `export function register() { throw new Error('no instruments') }\n`)
    try {
      const inputs = { 'install-command': '', 'build-command': '' }
      const { run, load } = await underLoad(inputs, checkout)
      expect({ ...run.outputs, code: run.code }).toMatchObject({ code: 1, status: 'kept' })
      expect(run.summary).toContain('no instruments')
      expectNoGap({ load }, run.log)
    } finally {
      checkout.remove()
    }
  },
  120_000,
)

thorough(
  'a release without its BUILD_ID is kept out',
  async () => {
    const broken = second.copyBuilt()
    rmSync(join(broken.path, '.next', 'standalone', '.next', 'BUILD_ID'))
    try {
      const { run, load } = await underLoad({}, broken)
      expect({ ...run.outputs, code: run.code }).toMatchObject({ code: 1, status: 'kept' })
      expectNoGap({ load }, run.log)
    } finally {
      broken.remove()
    }
  },
  60_000,
)

thorough(
  'a new app-port that somebody else has is found out before the swap',
  async () => {
    const squatter = createServer((_, response) => response.end('mine'))
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
    const { port } = squatter.address() as AddressInfo
    try {
      const { run, load } = await underLoad({ 'app-port': String(port) })
      expect({ ...run.outputs, code: run.code }).toMatchObject({ code: 1, status: 'kept' })
      expect(run.summary).toContain('port-taken')
      expectNoGap({ load }, run.log)
    } finally {
      await new Promise((resolve) => squatter.close(resolve))
    }
  },
  60_000,
)

thorough(
  'a release that leaks is renewed by PM2 at max-memory, and no request fails',
  async () => {
    const leak = `setInterval(() => (globalThis.leak ??= []).push(Buffer.alloc(4e6, 1)), 200)`
    const leaking = sabotage(second.copyBuilt(), underPm2(leak))
    const load = startLoad(server.url, { keepAlive: 4, fresh: 2, post: 2, stream: 1 })
    try {
      const inputs = { ...server.inputs, ...prebuilt, 'max-memory': '250M' }
      const run = await runAction({ workspace: leaking.path, inputs })
      expect(run.outputs['status']).toBe('live')
      const before = new Set((await online()).map(({ pid }) => pid))
      await until(
        'PM2 has renewed a worker',
        async () => (await online()).some(({ pid }) => !before.has(pid)),
        90_000,
      )
      expect((await load.stop()).failures).toEqual([])
      // What comes after is to find a healthy app.
      const healthy = await runAction({ workspace: second.path, inputs: { ...server.inputs, ...prebuilt } })
      expect(healthy.outputs['status']).toBe('live')
    } finally {
      leaking.remove()
    }
  },
  180_000,
)

/** Code for server.js that meets every request first. */
function answering(body: string): string {
  return `{ const { Server } = require('node:http'); const { emit } = Server.prototype
Server.prototype.emit = function (event, request, response) {
  if (event === 'request') { ${body} }
  return emit.apply(this, arguments)
} }`
}

/** Code that does its harm only where PM2 runs it: such a release passes as a candidate. */
function underPm2(code: string): string {
  return `if (process.env.pm_id !== undefined) { ${code} }`
}
