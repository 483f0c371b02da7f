import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { readJournal } from '../../src/agent/activation/journal.ts'
import { buildOfExample } from '../support/builds.ts'
import { startLoad } from '../support/load.ts'
import { prebuilt, runAction, type RunResult } from '../support/runner.ts'
import { freePort } from '../support/port.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { mayUnshare } from '../support/sshd.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** PM2 in the states in which users have it. */

const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thoroughTest = all ? test : test.skip

let server: TestServer
let workspace: Workspace

beforeAll(async () => {
  workspace = await buildOfExample('first')
}, 240_000)
afterAll(() => workspace?.remove())

async function deploy(inputs: Record<string, string> = {}, from = workspace): Promise<RunResult> {
  return runAction({ workspace: from.path, inputs: { ...server.inputs, ...prebuilt, ...inputs } })
}

const live = async () =>
  ((await (await fetch(`${server.url}/api/release`)).json()) as { message: string }).message
const online = async () => (await server.pm2List()).filter(({ pm2_env }) => pm2_env.status === 'online')

/** A plain server on the app's port, as PM2 may run it before Gapless comes. */
function plainServer(folder: string): string {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'plain.js')
  writeFileSync(
    file,
    `require('node:http').createServer((_, r) => r.end('plain')).listen(${server.appPort}, '127.0.0.1')\n`,
  )
  return file
}

/** As with `pm2 start npm -- start`: it is a child of PM2's process that listens. */
function throughAnother(folder: string): string {
  const server = plainServer(folder)
  const file = join(folder, 'start.sh')
  writeFileSync(file, `node ${server}\nexit $?\n`)
  return file
}

async function untilPlainServes(): Promise<void> {
  await until(
    'the plain server answers',
    async () =>
      (await fetch(server.url).then(
        (r) => r.text(),
        () => '',
      )) === 'plain',
  )
}

describe('an app of that name that PM2 runs in another way', () => {
  beforeEach(async () => {
    server = await startServer()
  })
  afterEach(async () => server.stop())

  const ways: readonly [string, (folder: string) => string, readonly string[]][] = [
    ['in fork mode', plainServer, ['-f']],
    ['through npm or another program', throughAnother, ['--interpreter', '/bin/sh']],
    ['in cluster mode, with another script', plainServer, ['-i', '2']],
  ]
  // One of them is replaced in every run: see the first release that fails, below.
  const replaced = all ? test.each(ways) : test.skip.each(ways)
  replaced(
    '%s is replaced, and the gap is announced',
    async (_, start, args) => {
      await server.pm2('start', start(join(server.home, 'old')), '--name', 'next-app', ...args)
      await untilPlainServes()
      const run = await deploy()
      expect({ code: run.code, ...run.outputs, log: run.code === 0 ? '' : run.log }).toMatchObject({
        code: 0,
        status: 'live',
        log: '',
      })
      expect(run.summary).toContain('with a short gap')
      expect(await live()).toBe('first')
      expect((await online()).map(({ pm2_env }) => pm2_env['exec_mode'])).toEqual([
        'cluster_mode',
        'cluster_mode',
      ])
      const second = await deploy()
      expect(second.outputs['status']).toBe('live')
      expect(second.summary).not.toContain('with a short gap')
    },
    90_000,
  )

  test('is not moved to another port by a default', async () => {
    await server.pm2('start', plainServer(join(server.home, 'old')), '--name', 'next-app', '-i', '2')
    await untilPlainServes()
    const run = await deploy({ 'app-port': '' })
    expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'kept' })
    expect(run.log).toContain(`The app listens on 127.0.0.1:${server.appPort}, and`)
    await untilPlainServes()
  }, 60_000)

  thoroughTest(
    'serves again when the first release of Gapless fails after the swap',
    async () => {
      // As Capistrano lays out what it deploys, and with more of its releases than Gapless would keep.
      const releases = ['20240101000000', '20240102000000', '20240103000000']
      for (const release of releases) plainServer(join(server.app, 'releases', release))
      symlinkSync('releases/20240103000000', join(server.app, 'current'))
      await server.pm2('start', join(server.app, 'current', 'plain.js'), '--name', 'next-app', '-f')
      await untilPlainServes()
      const broken = sabotage(workspace.copyBuilt(), 'if (process.env.pm_id !== undefined) process.exit(1)')
      try {
        const run = await deploy({ 'keep-releases': '1' }, broken)
        expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'down' })
        expect(run.log).toContain('current points at "releases/20240103000000"')
        expect(run.summary).toContain(
          `was started again, and accepts connections on 127.0.0.1:${server.appPort}`,
        )
        await untilPlainServes()
        expect(server.current()).toBe('20240103000000')
        const good = await deploy({ 'keep-releases': '1' })
        expect(good.outputs['status']).toBe('live')
        expect(good.summary).toContain('with a short gap')
        expect(await live()).toBe('first')
        expect((await online()).map(({ pm2_env }) => pm2_env['exec_mode'])).toEqual([
          'cluster_mode',
          'cluster_mode',
        ])
        expect(readdirSync(join(server.app, 'releases')).sort()).toEqual([
          ...releases,
          good.outputs['release']!,
        ])
      } finally {
        broken.remove()
      }
    },
    90_000,
  )
})

const thorough = all ? describe : describe.skip
thorough('an app that PM2 runs in another way', () => {
  beforeEach(async () => {
    server = await startServer()
  })
  afterEach(async () => server.stop())

  test('comes back at once, whoever is still connected to the release that failed', async () => {
    await server.pm2('start', plainServer(join(server.home, 'old')), '--name', 'next-app', '-f')
    await untilPlainServes()
    const mark = join(server.home, 'hook-runs')
    const hook = `touch ${mark}; sleep 3; false`
    const run = deploy({ 'drain-timeout': '60s', 'post-activate': hook })
    await until('the hook runs', () => existsSync(mark), 60_000)
    const stream = await fetch(`${server.url}/api/stream?seconds=50&chunks=50`)
    const text = stream.text()
    await untilPlainServes()
    const { outputs, summary } = await run
    expect(outputs).toMatchObject({ status: 'down' })
    expect(summary).toContain('started again')
    expect(await text).toMatch(/done\n$/)
  }, 150_000)
})

thorough('two apps that are deployed to one port at the same time', () => {
  test('are not mixed: one goes live, and the other is told who has the port', async () => {
    server = await startServer()
    try {
      await server.pm2('ping')
      const names = ['one', 'two']
      const runs = await Promise.all(
        names.map((name) => deploy({ path: `apps/${name}`, 'app-name': name, 'candidate-check': 'false' })),
      )
      const ended = runs.map(({ outputs }) => String(outputs['status']))
      expect(new Set(ended)).toEqual(new Set(['kept', 'live']))
      const winner = names[runs.findIndex(({ outputs }) => outputs['status'] === 'live')]
      const { summary } = runs.find(({ outputs }) => outputs['status'] === 'kept')!
      expect(summary).toContain(`The app "${winner}" in`)
    } finally {
      await server.stop()
    }
  }, 120_000)
})

describe('an app of Gapless’ own', () => {
  beforeAll(async () => {
    server = await startServer()
    const run = await deploy()
    if (run.code !== 0) throw new Error(run.log)
  }, 60_000)
  afterAll(async () => server.stop())

  test('that was stopped comes up with the next deploy', async () => {
    const [begun, goOn] = [join(server.home, 'build-begun'), join(server.home, 'build-goes-on')]
    const build = `touch '${begun}'; until [ -e '${goOn}' ]; do sleep 0.1; done; false`
    const failing = deploy({ 'build-command': build })
    await until('the build has begun', () => existsSync(begun))
    await server.pm2('stop', 'next-app')
    writeFileSync(goOn, '')
    // What served when that run began does not at its end.
    expect((await failing).outputs).toMatchObject({ status: 'kept', 'live-release': '' })
    const run = await deploy()
    expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 0, status: 'live' })
    expect(await online()).toHaveLength(2)
  }, 60_000)

  test('takes changed options without losing a request', async () => {
    const load = startLoad(server.url, { keepAlive: 4, fresh: 2, post: 1 })
    const more = await deploy({
      instances: '3',
      'max-memory': '700M',
      'node-options': '--max-http-header-size=32768',
      'drain-timeout': '12s',
    })
    expect(more.outputs['status']).toBe('live')
    const workers = await online()
    expect(workers).toHaveLength(3)
    for (const { pm2_env } of workers) {
      expect(pm2_env).toMatchObject({
        max_memory_restart: 700 * 1024 * 1024,
        node_args: ['--max-http-header-size=32768'],
      })
    }
    const fewer = await deploy({ instances: '1' })
    expect(fewer.outputs['status']).toBe('live')
    await until('the workers too many are gone', async () => (await server.pm2List()).length === 1, 40_000)
    const [last] = await server.pm2List()
    expect(last?.pm2_env).toMatchObject({ node_args: [] })
    expect(last?.pm2_env['max_memory_restart']).toBeUndefined()
    expect((await load.stop()).failures).toEqual([])
  }, 120_000)

  test('that fails under changed options goes back to its own without losing a request', async () => {
    const broken = sabotage(workspace.copyBuilt(), 'if (process.env.pm_id !== undefined) process.exit(1)')
    const load = startLoad(server.url, { keepAlive: 4, fresh: 2, post: 1 })
    try {
      const run = await deploy(
        { 'max-memory': '700M', 'node-options': '--max-http-header-size=32768' },
        broken,
      )
      expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'restored' })
      for (const { pm2_env } of await online()) {
        expect(pm2_env).toMatchObject({ node_args: [] })
        expect(pm2_env['max_memory_restart']).toBeUndefined()
      }
      const journal = await readJournal(join(server.app, '.gapless', 'journal.jsonl'), 100)
      const [begun, ended] = journal
        .filter(({ step, state }) => step === 'rollback' && (state === 'begin' || state === 'done'))
        .map(({ time }) => Date.parse(time))
      // The old workers stay for minutes where they may be needed, and here they are not.
      expect(ended! - begun!).toBeLessThan(60_000)
    } finally {
      broken.remove()
    }
    expect((await load.stop()).failures).toEqual([])
  }, 120_000)

  test('is not taken for another one that is deployed to another folder under the same name', async () => {
    const before = server.current()
    const inputs = { path: 'apps/staging', 'app-port': String(await freePort()) }
    for (const more of [
      { 'dry-run': 'true' },
      { 'candidate-check': 'true' },
      { 'candidate-check': 'false' },
    ]) {
      const run = await deploy({ ...inputs, ...more })
      expect({ code: run.code, ...run.outputs }).toMatchObject({ status: 'kept' })
      expect(run.summary).toContain(`which Gapless deployed from "${server.app}"`)
    }
    expect(server.current()).toBe(before)
    expect(await live()).toBe('first')
  }, 60_000)

  test('is not replaced by one of another name that is deployed to the same folder', async () => {
    const before = server.current()
    const run = await deploy({ path: 'apps/next-app', 'app-name': 'renamed', 'candidate-check': 'false' })
    expect({ code: run.code, ...run.outputs }).toMatchObject({ status: 'kept', 'live-release': before })
    expect(run.summary).toContain('PM2 runs the app')
    expect(server.current()).toBe(before)
    expect(await live()).toBe('first')
  }, 60_000)

  test('that was started by hand from inside a release, with preserve-symlinks, is put right', async () => {
    const inside = join(server.app, 'releases', server.current()!)
    await server.pm2('delete', 'next-app')
    const start = ['start', join(inside, 'server.js'), '--name', 'next-app', '-i', '2', '--cwd', inside]
    const flags = ['--node-args', '--preserve-symlinks --preserve-symlinks-main']
    await server.pm2With({ PORT: String(server.appPort), HOSTNAME: '127.0.0.1' }, ...start, ...flags)
    await until('the site answers', async () => (await live().catch(() => null)) === 'first')
    const run = await deploy({ instances: '2' })
    expect({ code: run.code, ...run.outputs, log: run.code === 0 ? '' : run.log }).toMatchObject({
      code: 0,
      status: 'live',
      log: '',
    })
    expect(run.summary).toContain('with a short gap')
    const current = { pm_cwd: join(server.app, 'current'), node_args: [] }
    expect((await online()).map(({ pm2_env }) => pm2_env)).toMatchObject([current, current])
  }, 60_000)

  test('comes back with the live release after a reboot', async () => {
    const { outputs } = await deploy({ instances: '2' })
    await server.pm2('kill')
    await server.pm2('resurrect')
    await until('the site answers', async () => (await live().catch(() => null)) === 'first')
    const status = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'status' },
    })
    expect(status.outputs).toMatchObject({ status: 'live', 'live-release': outputs['release'] })
  }, 60_000)
})

const asRoot = all && mayUnshare ? test : test.skip
asRoot(
  'where memory is short the workers change one after the other, and no request is lost',
  async () => {
    const replaced = { '/proc/meminfo': 'MemTotal: 1000000 kB\nMemAvailable: 100000 kB\n' }
    server = await startServer({ replaced })
    try {
      expect((await deploy()).outputs['status']).toBe('live')
      const load = startLoad(server.url, { keepAlive: 4, fresh: 2, post: 2, stream: 1 })
      const run = await deploy()
      expect({ ...run.outputs, log: run.code === 0 ? '' : run.log }).toMatchObject({
        status: 'live',
        log: '',
      })
      expect(run.summary).toContain('one after the other, because memory is short')
      expect(await online()).toHaveLength(2)
      const broken = sabotage(workspace.copyBuilt(), `if (process.env.pm_id !== undefined) process.exit(1)`)
      const undone = await deploy({}, broken)
      broken.remove()
      expect(undone.outputs).toMatchObject({ status: 'restored', 'live-release': run.outputs['release'] })
      expect((await load.stop()).failures).toEqual([])
    } finally {
      await server.stop()
    }
  },
  120_000,
)
