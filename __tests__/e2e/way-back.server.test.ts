import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { readJournal } from '../../src/agent/activation/journal.ts'
import { buildOfExample } from '../support/builds.ts'
import { type FailedRequest, startLoad } from '../support/load.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** The way back under load: somebody serves at every moment, however long it takes, and whenever it begins. */

const all = process.env['GAPLESS_TEST_ALL'] === '1'
const quick = {
  'install-command': 'none',
  'build-command': 'none',
  observe: '200ms',
  'health-check-timeout': '8s',
  'drain-timeout': '8s',
}
const visitors = { keepAlive: 4, fresh: 2, post: 1 }
const limits = { maxMs: 400_000, maxRequests: 100_000 }

let server: TestServer
let workspace: Workspace
let before: string

function deploy(inputs: Record<string, string> = {}, from = workspace): Promise<RunResult> {
  return runAction({ workspace: from.path, inputs: { ...server.inputs, ...quick, ...inputs } })
}

/** Deploys what fails, and expects the first release back. @returns what visitors missed meanwhile */
async function undone(inputs: Record<string, string>, from = workspace): Promise<readonly FailedRequest[]> {
  const load = startLoad(server.url, visitors, limits)
  const run = await deploy(inputs, from)
  const { failures } = await load.stop()
  const { status, 'live-release': live } = run.outputs
  expect({ code: run.code, status, live, log: status === 'restored' ? '' : run.log }).toEqual({
    code: 1,
    status: 'restored',
    live: before,
    log: '',
  })
  expect(server.current()).toBe(before)
  return failures
}

const journal = () => join(server.app, '.gapless', 'journal.jsonl')

/** Connections through the door that stay: of those that are opened now the new workers get their part. */
function openStreams(count: number, seconds: number): () => void {
  const streams = Array.from({ length: count }, () =>
    get(`${server.url}/api/stream?seconds=${seconds}&chunks=${seconds}`, { agent: false }, (answer) => {
      answer.on('error', () => undefined)
      answer.resume()
    }),
  )
  for (const stream of streams) stream.on('error', () => undefined)
  return () => streams.forEach((stream) => stream.destroy())
}

describe.each(all ? ['pm2', 'pm2-6', 'pm2-5'] : ['pm2'])('under %s', (pm2Package) => {
  const thorough = all ? test : test.skip
  const slow = all && pm2Package === 'pm2' ? test : test.skip
  beforeAll(async () => {
    workspace = await buildOfExample('first')
    server = await startServer({ pm2Package })
    const run = await deploy()
    if (run.code !== 0) throw new Error(run.log)
    before = run.outputs['release']!
  }, 240_000)
  afterAll(async () => {
    await server?.stop()
    workspace?.remove()
  })

  thorough(
    'workers that hang with their doors open are ended, and nobody else notices',
    async () => {
      // The loop of each worker blocks with its third visitor for the rest of its life.
      const hanging = sabotage(
        workspace.copyBuilt(),
        `if (process.env.pm_id !== undefined) {
      const http = require('node:http'), emit = http.Server.prototype.emit
      let visitors = 0
      http.Server.prototype.emit = function (event, request, ...rest) {
        const visitor = event === 'request' && request.headers['user-agent'] !== 'gapless-health-check'
        if (visitor && ++visitors === 3) for (;;) {}
        return emit.call(this, event, request, ...rest)
      }
    }`,
      )
      try {
        const begun = performance.now()
        // Long enough that each of them has had three visitors by its end: half of those who come anew meet the old ones.
        const failures = await undone({ observe: '4s' }, hanging)
        expect(performance.now() - begun).toBeLessThan(60_000)
        // What hangs inside of the two workers cannot be saved: one connection of each visitor at the most.
        expect(failures.length).toBeLessThanOrEqual(7)
        expect(failures.filter(({ error }) => error.includes('ECONNREFUSED'))).toEqual([])
      } finally {
        hanging.remove()
      }
    },
    120_000,
  )

  slow(
    'old workers outlast connections that stay on the failed ones',
    async () => {
      const mark = join(server.home, 'hook-runs')
      const run = undone({ 'drain-timeout': '5m', 'post-activate': `touch ${mark}; sleep 5; false` })
      await until('the hook runs', () => existsSync(mark), 60_000)
      const close = openStreams(12, 100)
      expect(await run).toEqual([])
      close()
      rmSync(mark)
    },
    240_000,
  )

  thorough.each([
    ['after a minute', 56],
    // Too late for the old workers to stay: the release that failed serves until its successors do.
    ['later', 100],
  ])(
    'a hook that fails %s costs no request',
    async (_, seconds) => {
      expect(await undone({ 'post-activate': `sleep ${seconds}; false` })).toEqual([])
    },
    300_000,
  )

  test('restores the previous release when the new one needs its workers to be healthy', async () => {
    const dependent = sabotage(
      workspace.copyBuilt(),
      `if (process.env.pm_id !== undefined) {
      const fs = require('node:fs'), { basename, join } = require('node:path'), http = require('node:http')
      const { emit } = http.Server.prototype, records = join(__dirname, '../../.gapless/workers')
      const isOther = (name) => {
        try {
          const { release, phase } = JSON.parse(fs.readFileSync(join(records, name), 'utf8'))
          return release !== basename(__dirname) && phase === 'open'
        } catch { return false }
      }
      http.Server.prototype.emit = function (event, request, response) {
        const check = event === 'request' && request.url === '/api/health'
        if (!check || fs.readdirSync(records).some(isOther)) return emit.apply(this, arguments)
        return response.writeHead(500).end('nobody helps')
      }
    }`,
    )
    try {
      expect(await undone({}, dependent)).toEqual([])
    } finally {
      dependent.remove()
    }
    const verdicts = (await readJournal(journal())).flatMap(({ verdict }) => verdict ?? [])
    expect(verdicts.at(-1)?.failure).toMatchObject({
      code: 'worker-unhealthy',
      message: expect.stringContaining('HTTP 500 (after the previous release had stopped serving)'),
      evidence: expect.stringContaining('nobody helps'),
    })
  }, 120_000)

  test('an activation that dies on it is taken up, and who served until then serves on', async () => {
    const from = (await readJournal(journal())).length
    const run = undone({ 'post-activate': 'false' })
    await until(
      'the new workers drain',
      async () =>
        (await readJournal(journal()))
          .slice(from)
          .some(({ step, state }) => step === 'rollback' && state === 'begin') &&
        readdirSync(join(server.app, '.gapless/workers'))
          .filter((name) => name.endsWith('.json'))
          .some((name) =>
            readFileSync(join(server.app, '.gapless/workers', name), 'utf8').includes('"draining"'),
          ),
      60_000,
    )
    const folder = join(server.app, '.gapless/activations')
    const owner = readdirSync(folder).find((name) => name.endsWith('.owner'))!
    const { pid } = JSON.parse(readFileSync(join(folder, owner), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
    expect(await run).toEqual([])
    const entries = (await readJournal(journal())).slice(from)
    const begun = (name: string) => entries.filter(({ step, state }) => step === name && state === 'begin')
    // The release that failed is not shown to anybody once more, and its hook is not run again.
    expect(begun('swap')).toHaveLength(1)
    expect(begun('post-activate')).toHaveLength(1)
    expect(begun('rollback')).toHaveLength(2)
  }, 240_000)
})
