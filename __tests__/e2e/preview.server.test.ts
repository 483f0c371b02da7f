import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { processIds } from '../../scripts/processes.mjs'
import { buildOfExample } from '../support/builds.ts'
import { daemonPid } from '../support/daemon-pid.ts'
import { startFakeGithub } from '../support/fake-github.ts'
import { type LoadReport, startLoad } from '../support/load.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { type Pm2Entry, startServer, type TestServer } from '../support/server.ts'
import { type SocketFront, startSocketFront } from '../support/socket-front.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** Previews beside the app that they preview. The rest with GAPLESS_TEST_ALL=1 alone. */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip

let server: TestServer
let first: Workspace
let second: Workspace
const fronts: SocketFront[] = []
const quick = {
  'install-command': 'none',
  'build-command': 'none',
  observe: '200ms',
  instances: '1',
  env: 'KEEP_ALIVE_TIMEOUT=1000',
}
const visitors = { keepAlive: 1, fresh: 1, post: 1 }

beforeAll(async () => {
  server = await startServer()
  first = await buildOfExample('first')
  second = await buildOfExample('second')
}, 240_000)
afterAll(async () => {
  for (const front of fronts) front.stop()
  await server.stop()
  first?.remove()
  second?.remove()
})

type Inputs = Readonly<Record<string, string>>

const deploy = (workspace: Workspace, inputs: Inputs = {}) =>
  runAction({ workspace: workspace.path, inputs: { ...server.inputs, ...quick, ...inputs } })
const preview = (name: string, workspace: Workspace, inputs: Inputs = {}) =>
  deploy(workspace, { command: 'preview', preview: name, ...inputs })
const remove = (name: string, inputs: Inputs = {}) =>
  deploy(first, { command: 'preview-remove', preview: name, ...inputs })

/** Below the app's folder. */
const at = (...path: readonly string[]) => join(server.app, 'previews', ...path)
const names = () => (existsSync(at()) ? readdirSync(at()).sort() : [])
const processes = async () => JSON.parse(await server.pm2('jlist', '-s')) as readonly Pm2Entry[]
const dump = () =>
  (JSON.parse(readFileSync(join(server.home, '.pm2', 'dump.pm2'), 'utf8')) as { name: string }[]).map(
    ({ name }) => name,
  )

/** What a preview answers on its socket. */
async function ask(name: string, path = '/api/release') {
  const request = http.get({ socketPath: at(`${name}.sock`), path, agent: false })
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve)
    request.once('error', reject)
  })
  return { status: response.statusCode, headers: response.headers, body: await text(response) }
}
const message = async (name: string) => (JSON.parse((await ask(name)).body) as { message: string }).message

function expectRun({ code, outputs, log }: RunResult, status: string): void {
  const green = status === 'live' || status === 'removed'
  const asExpected = code === (green ? 0 : 1) && outputs['status'] === status
  expect({ code, status: outputs['status'], log: asExpected ? '' : log }).toEqual({
    code: green ? 0 : 1,
    status,
    log: '',
  })
}

/** Does something while visitors come to the app and to these previews, of whom none may notice. */
async function underLoad<T>(previews: readonly string[], act: () => Promise<T>): Promise<T> {
  const own = await Promise.all(previews.map((name) => startSocketFront(at(`${name}.sock`))))
  fronts.push(...own)
  const loads = [server.url, ...own.map(({ url }) => url)].map((url) => startLoad(url, visitors))
  const result = await act()
  const reports = await Promise.all(loads.map((load) => load.stop()))
  const failures = (report: LoadReport) => ({ failures: report.failures, served: report.requests > 10 })
  expect(reports.map(failures)).toEqual(reports.map(() => ({ failures: [], served: true })))
  return result
}

describe('two previews beside the app', () => {
  let live: string

  test('come up under load without a failed request, and touch nothing of the app', async () => {
    expectRun(await deploy(first), 'live')
    live = server.current()!
    const workers = (await server.pm2List()).map(({ pid }) => pid)
    const [one, two] = await underLoad([], () =>
      Promise.all([
        preview('one', first, { url: 'https://{preview}.example.com' }),
        preview('two', second, { env: 'GREETING=of the preview\nKEEP_ALIVE_TIMEOUT=1000' }),
      ]),
    )
    expectRun(one, 'live')
    expectRun(two, 'live')
    expect([await message('one'), await message('two')]).toEqual(['first', 'second'])
    expect(one.outputs['url']).toBe('https://one.example.com')
    expect(one.summary).toContain('**Address:** [https://one.example.com](https://one.example.com)')
    // Its pages are on the server already.
    expect(Number(one.outputs['uploaded-bytes'])).toBe(0)
    expect(server.current()).toBe(live)
    expect((await server.pm2List()).map(({ pid }) => pid)).toEqual(workers)
    expect(names()).toEqual(['one', 'one.sock', 'two', 'two.sock'])
    expect((await processes()).map(({ name }) => name).sort()).toEqual([
      'next-app',
      'next-app-one',
      'next-app-two',
    ])
  }, 120_000)

  test('have a socket for the group, an environment of their own, and no place in search engines', async () => {
    const { mode } = lstatSync(at('one.sock'))
    expect({ isSocket: lstatSync(at('one.sock')).isSocket(), mode: mode & 0o777 }).toEqual({
      isSocket: true,
      mode: 0o660,
    })
    for (const path of ['/', '/api/env', '/robots.txt', '/missing', '/_next/static/missing.js'])
      expect((await ask('two', path)).headers['x-robots-tag']).toBe('noindex')
    expect((await fetch(server.url)).headers.get('x-robots-tag')).toBe(null)
    expect(JSON.parse((await ask('two', '/api/env')).body)).toMatchObject({
      values: { GREETING: 'of the preview', PORT: String(server.appPort) },
    })
    expect((await ask('one', '/api/env')).body).not.toContain('of the preview')
  })

  test('give way to the app: nice, and with a limit of memory', async () => {
    const one = (await processes()).find(({ name }) => name === 'next-app-one')
    const stat = readFileSync(`/proc/${one!.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
    expect(Number(stat[16])).toBe(10)
    expect(one!.pm2_env).toMatchObject({
      max_memory_restart: 512 * 2 ** 20,
      node_args: ['--max-old-space-size=512'],
    })
  })

  test('are deployed again with changes, without a failed request anywhere', async () => {
    const run = await underLoad(['one', 'two'], () => preview('one', second))
    expectRun(run, 'live')
    expect([await message('one'), await message('two')]).toEqual(['second', 'second'])
    // Only the current release and the one that was replaced.
    expect(readdirSync(at('one', 'releases')).length).toBeLessThanOrEqual(2)
  }, 60_000)

  test('are removed with all that belongs to them, and removing one again is no failure', async () => {
    const one = (await processes()).find(({ name }) => name === 'next-app-one')!
    const run = await underLoad(['two'], () => remove('one'))
    expectRun(run, 'removed')
    expect(names()).toEqual(['two', 'two.sock'])
    expect((await processes()).map(({ name }) => name).sort()).toEqual(['next-app', 'next-app-two'])
    expect(dump().sort()).toEqual(['next-app', 'next-app-two'])
    expect(readdirSync(join(server.home, '.pm2', 'logs')).filter((name) => name.includes('one'))).toEqual([])
    expect(processIds()).not.toContain(one.pid)
    expectRun(await remove('one'), 'removed')
    expect(names()).toEqual(['two', 'two.sock'])
    expect(server.current()).toBe(live)
  }, 60_000)
})

thorough('a preview', () => {
  test('that cannot boot leaves the app and its own earlier state as they are', async () => {
    const broken = sabotage(second.copyBuilt(), 'process.exit(3)')
    try {
      const run = await underLoad(['two'], () => preview('two', broken))
      expectRun(run, 'kept')
      expect(await message('two')).toBe('second')
      const fresh = await underLoad(['two'], () => preview('fresh', broken))
      expectRun(fresh, 'kept')
      expect((await processes()).map(({ name }) => name).sort()).toEqual(['next-app', 'next-app-two'])
    } finally {
      broken.remove()
    }
    expectRun(await remove('fresh'), 'removed')
    expect(names()).toEqual(['two', 'two.sock'])
  }, 120_000)

  test('that fails after the swap is restored without a failed request', async () => {
    const run = await underLoad(['two'], () => preview('two', first, { 'post-activate': 'exit 1' }))
    expectRun(run, 'restored')
    expect(await message('two')).toBe('second')
  }, 120_000)

  test('that runs wild on every core makes no request of the app fail', async () => {
    const burn = `for (let each = 0; each < 4; each += 1)
      new (require('node:worker_threads').Worker)('for (;;);', { eval: true })`
    const wild = sabotage(second.copyBuilt(), burn)
    try {
      expectRun(await underLoad([], () => preview('wild', wild, { 'health-check-timeout': '60s' })), 'live')
      await underLoad(['two'], () => preview('two', second))
      expectRun(await underLoad(['two'], () => remove('wild')), 'removed')
    } finally {
      wild.remove()
    }
  }, 180_000)

  test('is refused where the memory that it may use is not there, with figures', async () => {
    const run = await preview('large', first, { 'max-memory': '900000G' })
    expectRun(run, 'kept')
    expect(run.log).toMatch(
      /The preview may use \d+\.\d GB of memory, and the server has \d+\.\d GB available\./,
    )
    expect(names().filter((name) => name.startsWith('large'))).not.toContain('large.sock')
    expectRun(await remove('large'), 'removed')
  }, 60_000)

  test('never replaces what PM2 runs under its name for somebody else', async () => {
    const script = join(server.home, 'other.js')
    writeFileSync(script, 'setInterval(() => undefined, 1000)')
    await server.pm2('start', script, '--name', 'next-app-api')
    const run = await preview('api', first)
    expectRun(run, 'kept')
    expect(run.log).toContain('PM2 runs an app named "next-app-api" that Gapless did not start')
    expectRun(await remove('api'), 'removed')
    expect((await processes()).map(({ name }) => name)).toContain('next-app-api')
    await server.pm2('delete', 'next-app-api')
  }, 60_000)

  test('is never removed through a link that leads to the app', async () => {
    execFileSync('ln', ['-s', server.app, at('link')])
    const run = await remove('link')
    expectRun(run, 'kept')
    expect(run.log).toContain('so it cannot hold the preview')
    expect((await fetch(server.url)).status).toBe(200)
    execFileSync('rm', [at('link')])
  }, 60_000)

  test('has a path that a socket can have', async () => {
    const path = `${server.home}/${'long/'.repeat(20)}app`
    const run = await preview('two', first, { path })
    expectRun(run, 'kept')
    expect(run.log).toMatch(/has 1\d\d bytes, and a Unix socket takes 107/)
  }, 60_000)

  test('serves on when PM2’s daemon dies, and hands over to the next', async () => {
    const run = await underLoad(['two'], async () => {
      process.kill(daemonPid(server), 'SIGKILL')
      return preview('two', first)
    })
    expectRun(run, 'live')
    expect(await message('two')).toBe('first')
    await until(
      'the orphans have left',
      async () =>
        readdirSync(at('two', '.gapless', 'workers')).filter((name) => name.endsWith('.json')).length === 1,
      90_000,
    )
    expect(await message('two')).toBe('first')
    expectRun(await deploy(first), 'live')
  }, 180_000)

  test('replaces a socket that nobody listens on', async () => {
    expectRun(await remove('two'), 'removed')
    const die = `require('net').createServer().listen(${JSON.stringify(at('two.sock'))}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', die])
    expect(names()).toEqual(['two.sock'])
    expectRun(await preview('two', first), 'live')
    expect(await message('two')).toBe('first')
    expectRun(await remove('two'), 'removed')
  }, 60_000)
})

thorough('GitHub', () => {
  test('knows the commit of each release that went live, and edits one comment', async () => {
    const github = await startFakeGithub()
    const event = join(server.home, 'event.json')
    writeFileSync(event, JSON.stringify({ pull_request: { number: 7 } }))
    const [older, newer] = ['1'.repeat(40), '2'.repeat(40)]
    const recorded = (workspace: Workspace, commit: string, inputs: Inputs = {}) =>
      runAction({
        workspace: workspace.path,
        inputs: { ...server.inputs, ...quick, 'github-token': 'ghs_0123456789', ...inputs },
        env: { GITHUB_API_URL: github.url, GITHUB_SHA: commit, GITHUB_EVENT_PATH: event },
      })
    try {
      const pr = { command: 'preview', preview: 'pr-7', url: 'https://{preview}.example.com' }
      expectRun(await recorded(first, older), 'live')
      expectRun(await recorded(second, newer), 'live')
      expectRun(await recorded(first, newer, { command: 'rollback' }), 'live')
      expectRun(await recorded(first, newer, pr), 'live')
      const comment = github.comments[0]!.body
      expect(comment).toContain('**Address:** [https://pr-7.example.com](https://pr-7.example.com)')
      expect(comment).toContain('2222222')
      expectRun(await recorded(first, newer, { ...pr, command: 'preview-remove' }), 'removed')
      expect(github.comments.map(({ body }) => body.includes('The preview was removed.'))).toEqual([true])
      expect(
        github.deployments.toReversed().map(({ environment, ref, statuses }) => [environment, ref, statuses]),
      ).toEqual([
        ['production', older, ['inactive', 'success', 'in_progress']],
        ['production', newer, ['inactive', 'success', 'in_progress']],
        ['production', older, ['success', 'in_progress']],
        ['preview/pr-7', newer, ['inactive', 'success', 'in_progress']],
      ])
    } finally {
      github.stop()
    }
    const down = await recorded(second, newer)
    expectRun(down, 'live')
    expect(down.summary).toContain('**GitHub:** Could not record the deployment on GitHub')
    expect(down.log + down.summary).not.toContain('ghs_0123456789')
  }, 240_000)
})

thorough('old previews', () => {
  test('are removed by the next preview command, the oldest beyond the limit first', async () => {
    for (const name of ['a', 'b', 'c']) expectRun(await preview(name, first), 'live')
    const limited = await preview('d', first, { 'preview-limit': '3' })
    expectRun(limited, 'live')
    expect(names().filter((name) => !name.includes('.'))).toEqual(['b', 'c', 'd'])
    expect(limited.summary).toContain('removed preview a (`preview-limit`, deployed just now)')
    const expired = await preview('d', first, { 'preview-ttl': '1s' })
    expectRun(expired, 'live')
    expect(names()).toEqual(['d', 'd.sock'])
    expect(expired.summary).toMatch(/removed preview [bc] \(`preview-ttl`/)
    expect(statSync(server.app).isDirectory()).toBe(true)
  }, 180_000)
})
