import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { startFleet } from '../support/fleet.ts'
import { runOnFleet } from '../support/fleet-runs.ts'
import { mayMakeNamespaces } from '../support/namespace.ts'
import { runAction, type RunOptions, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startSshd } from '../support/sshd.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** The runner's test meets the candidate through a key that may forward nothing. */
const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? test : test.skip

let server: TestServer
let workspace: Workspace

beforeAll(async () => {
  workspace = await buildOfExample('first')
  server = await startServer()
  restrict(server)
  workspace.write('requests.mjs', REQUESTS)
}, 240_000)
afterAll(async () => {
  await server?.stop()
  workspace?.remove()
}, 60_000)

/** The key may run commands, and nothing else. */
function restrict({ sshd }: TestServer): void {
  writeFileSync(join(sshd.folder, 'authorized_keys'), `restrict ${sshd.clientPublicKey}\n`)
}

/** What a team's test does: many requests at once, kept connections, large bodies, streams, cookies. */
const REQUESTS = `
import assert from 'node:assert'
import http from 'node:http'
const url = process.env.BASE_URL
assert.match(url, /^http:\\/\\/127\\.0\\.0\\.1:\\d+$/)
assert.equal(process.env.PLAYWRIGHT_TEST_BASE_URL, url)
assert.equal(process.env.INPUT_KEY, undefined)
const echo = async (size) => {
  const body = 'x'.repeat(size)
  const answer = await fetch(url + '/api/echo', { method: 'POST', body })
  assert.equal(answer.status, 200)
  assert.equal((await answer.json()).length, size)
}
await Promise.all(Array.from({ length: 40 }, () => echo(300_000)))
const stream = await (await fetch(url + '/api/stream?seconds=1&chunks=10')).text()
assert.match(stream, /10\\/10\\ndone\\n$/)
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const get = (path) => new Promise((resolve, reject) => {
  const request = http.get(url + path, { agent, headers: { host: 'example.com', 'x-forwarded-proto': 'https' } }, (answer) => {
    answer.resume().on('end', () => resolve(request.reusedSocket))
  }).on('error', reject)
})
assert.deepEqual([await get('/api/health'), await get('/api/health')], [false, true])
agent.destroy()
console.log('all requests were answered')
`

const run = (
  inputs: Readonly<Record<string, string>> = {},
  path = workspace.path,
  options: Partial<RunOptions> = {},
) =>
  runAction({
    workspace: path,
    inputs: {
      ...server.inputs,
      'install-command': 'none',
      'build-command': 'none',
      instances: '1',
      observe: '200ms',
      ...inputs,
    },
    ...options,
  })

const releases = () => readdirSync(join(server.app, 'releases')).sort()
const candidates = () => readdirSync(join(server.app, '.gapless', 'candidates'))

/** Nothing of the run is left on the server. */
function expectKept({ code, outputs, log }: RunResult, before: readonly string[]): void {
  expect({ code, status: outputs['status'], log: outputs['status'] === 'kept' ? '' : log }).toEqual({
    code: 1,
    status: 'kept',
    log: '',
  })
  expect(releases()).toEqual(before)
  expect(candidates()).toEqual([])
}

test('a deploy goes live after its test has passed, over a key that may forward nothing', async () => {
  const { code, outputs, log, summary } = await run({ 'test-command': 'node requests.mjs' })
  expect({ code, log: code === 0 ? '' : log }).toEqual({ code: 0, log: '' })
  expect(outputs['status']).toBe('live')
  expect(log).toContain('all requests were answered')
  expect(summary).toMatch(/\| verify \| ✅ \|.*`test-command` passed after /)
}, 60_000)

test('a test that fails keeps what is live, and the summary has its last lines', async () => {
  const before = releases()
  const secret = 'a-secret-of-the-app'
  const result = await run({
    env: `TOKEN=${secret}`,
    'test-command': `echo "::error::not a command"; echo "expected 1, got ${secret}"; exit 3`,
  })
  expectKept(result, before)
  expect(result.outputs['live-release']).toBe(server.current())
  expect(result.summary).toContain('test-failed')
  expect(result.summary).toContain('`test-command` exited with code 3')
  expect(result.summary).toContain('expected 1, got ***')
  expect(result.log).not.toContain(secret)
  expect(result.log).toMatch(/^\| ::error::not a command/m)
}, 60_000)

describe('a test', () => {
  thorough(
    'that hangs, and ignores SIGTERM, is ended in time',
    async () => {
      const before = releases()
      const hanging = `trap '' TERM; echo still here; while :; do sleep 1; done`
      const result = await run({ 'test-command': hanging, 'test-timeout': '2s' })
      expectKept(result, before)
      expect(result.summary).toContain('did not end within 2 seconds')
      expect(result.summary).toContain('still here')
    },
    60_000,
  )

  thorough.each(['SIGINT', 'SIGKILL'] as const)(
    'is ended with a run that ends of %s',
    async (signal) => {
      const before = releases()
      const mark = join(workspace.path, `pid-${signal}`)
      let kill: () => void = () => undefined
      const running = run({ 'test-command': `echo $$ > ${mark}; sleep 1000` }, workspace.path, {
        onStart: (child) => (kill = () => void child.kill(signal)),
      })
      const pid = Number(await until('it runs', () => existsSync(mark) && readFileSync(mark, 'utf8'), 60_000))
      kill()
      const main = await running
      expect(main.outputs['status']).toBeUndefined()
      await until('the test has gone', () => !existsSync(`/proc/${pid}`))
      await until('the candidate has gone', () => candidates().length === 0)
      // Nobody is left to remove it where the runner was killed.
      if (signal === 'SIGINT') expect(releases()).toEqual(before)
      const post = await run({}, workspace.path, { step: 'post', state: main.state })
      expect(post.outputs['status']).toBe('kept')
      expect(await (await fetch(`${server.url}/api/health`)).text()).not.toBe('')
    },
    90_000,
  )

  thorough(
    'that floods log and candidate takes neither the run nor the server down',
    async () => {
      workspace.write(
        'flood.mjs',
        `
      import net from 'node:net'
      const port = Number(new URL(process.env.BASE_URL).port)
      const open = () => new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1', () => socket.write('GET /api/health HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n'))
        socket.on('error', () => undefined).on('close', resolve)
        setTimeout(() => socket.destroy(), 3000)
      })
      await Promise.all(Array.from({ length: 3000 }, open))
      const answer = await fetch(process.env.BASE_URL + '/api/health')
      if (!answer.ok) process.exit(1)
      `,
      )
      const flood =
        'yes 0123456789012345678901234567890123456789 | head -c 100000000; node flood.mjs; echo over'
      const { code, log, outputs } = await run({ 'test-command': flood })
      expect({ code, status: outputs['status'], log: code === 0 ? '' : log.slice(-3000) }).toEqual({
        code: 0,
        status: 'live',
        log: '',
      })
      expect(log.length).toBeLessThan(15_000_000)
    },
    120_000,
  )

  thorough(
    'whose candidate dies is told so, with what the app said',
    async () => {
      const before = releases()
      const dying = sabotage(
        workspace.copyBuilt(),
        `if (process.env.pm_id === undefined) setInterval(() => {
        if (require('node:fs').existsSync('${join(server.home, 'die')}')) { console.error('out of luck'); process.exit(9) }
      }, 50)`,
      )
      try {
        const result = await run(
          { 'test-command': `echo begun; touch ${join(server.home, 'die')}; sleep 1000` },
          dying.path,
        )
        expectKept(result, before)
        expect(result.summary).toContain('candidate-died')
        expect(result.summary).toContain('exited with code 9 while `test-command` ran')
        expect(result.summary).toContain('out of luck')
        expect(result.summary).toContain('begun')
      } finally {
        dying.remove()
      }
    },
    60_000,
  )

  thorough(
    'leaves nothing in the caches that the workers serve',
    async () => {
      const seen = join(workspace.path, 'seen')
      const visits = `for i in 1 2 3 4; do curl -s "$BASE_URL/isr" > ${seen}; sleep 2.2; done`
      const built = /id="rendered">([^<]+)/.exec(workspace.read('.next/server/app/isr.html'))?.[1]
      const { code, outputs } = await run({ 'test-command': visits })
      expect(code).toBe(0)
      const rendered = /id="rendered">([^<]+)/.exec(readFileSync(seen, 'utf8'))?.[1]
      expect(rendered).not.toBe(built)
      const release = join(server.app, 'releases', outputs['release']!)
      expect(existsSync(join(release, '.gapless', 'caches'))).toBe(false)
      // The first visitor gets what was uploaded, not what the test had rendered.
      const first = /id="rendered">([^<]+)/.exec(await (await fetch(`${server.url}/isr`)).text())?.[1]
      expect(first).not.toBe(rendered)
    },
    90_000,
  )
})

thorough(
  'passes through a jump host',
  async () => {
    const jump = await startSshd()
    try {
      const { code, log } = await run({
        'test-command': 'node requests.mjs',
        'proxy-host': jump.host,
        'proxy-port': String(jump.port),
        'proxy-username': jump.username,
        'proxy-key': jump.clientKey,
        'proxy-fingerprint': jump.fingerprint,
      })
      expect({ code, log: code === 0 ? '' : log }).toEqual({ code: 0, log: '' })
      expect(jump.logs()).toContain('Accepted publickey')
    } finally {
      await jump.stop()
    }
  },
  60_000,
)

thorough(
  'a browser clicks through the candidate',
  async () => {
    const playwright = join(import.meta.dirname, '..', '..', 'node_modules', 'playwright-core', 'index.mjs')
    workspace.write(
      'browser.mjs',
      `
    import { chromium } from ${JSON.stringify(playwright)}
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })
    const page = await browser.newPage({ baseURL: process.env.PLAYWRIGHT_TEST_BASE_URL })
    const troubles = []
    page.on('pageerror', (error) => troubles.push(error.message))
        await page.goto('/action')
    await page.fill('input[name=name]', 'Ada')
    await page.click('form button')
    await page.waitForFunction('document.querySelector("#result").textContent.includes("Ada")')
    console.log('greeted: ' + (await page.textContent('#result')))
    console.log('troubles: ' + troubles.length)
    await browser.close()
    `,
    )
    const { code, log } = await run({ 'test-command': 'node browser.mjs' })
    expect({ code, log: code === 0 ? '' : log }).toEqual({ code: 0, log: '' })
    expect(log).toMatch(/greeted: .*Ada/)
    expect(log).toContain('troubles: 0')
  },
  90_000,
)

const withHosts = mayMakeNamespaces && all ? test : test.skip
withHosts(
  'of three hosts the first one’s candidate is tested',
  async () => {
    const fleet = await startFleet(3)
    try {
      workspace.write('requests.mjs', REQUESTS)
      const failed = await runOnFleet(fleet, workspace, { 'test-command': 'exit 1' })
      expect(failed.outputs['status']).toBe('kept')
      for (const { app } of fleet.hosts) expect(readdirSync(join(app, 'releases'))).toEqual([])
      const { summary, code, log } = await runOnFleet(fleet, workspace, {
        'test-command': 'node requests.mjs',
        env: 'GREETING=hello',
      })
      expect({ code, log: code === 0 ? '' : log }).toEqual({ code: 0, log: '' })
      expect(summary.match(/^\| verify \|.*`test-command` passed/gm)).toHaveLength(1)
      expect(summary.match(/^\| verify \| \S+ \| ✅ \|/gm)).toHaveLength(3)
    } finally {
      await fleet.stop()
    }
  },
  300_000,
)
