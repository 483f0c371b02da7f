import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { verifyCandidate } from '../../../src/agent/activation/candidate.ts'
import { cleanEnvironment } from '../../../src/agent/system/environment.ts'
import { type Layout, layoutOf, makeFolders } from '../../../src/agent/store/layout.ts'
import { daemonPid } from '../../../src/agent/pm2/daemon.ts'
import { changedLimits, nodeArguments, workerStart } from '../../../src/agent/pm2/worker-start.ts'
import { sha256 } from '../../../src/common/hash-file.ts'
import { formatEntry } from '../../../src/protocol/manifest.ts'
import type { Runtime, Verdict } from '../../../src/protocol/messages.ts'
import { type FakeReleaseOptions, makeRelease, SERVER } from '../../worker/fake-release.ts'
import { compile } from '../../support/compile.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'
import { request, runtimeWith } from '../releases-on-disk.ts'

const folder = temporaryFolders()
let compiled: string
beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

const pm2Home = process.env['PM2_HOME']
const daemons: number[] = []
afterEach(() => {
  for (const daemon of daemons.splice(0)) {
    // Its workers outlive it.
    const workers = readFileSync(`/proc/${daemon}/task/${daemon}/children`, 'utf8').trim().split(' ')
    for (const pid of [daemon, ...workers.filter((pid) => pid !== '').map(Number)])
      process.kill(pid, 'SIGKILL')
  }
  if (pm2Home === undefined) delete process.env['PM2_HOME']
  else process.env['PM2_HOME'] = pm2Home
})

/** What an app can see of how it was started, written down before it serves. */
const LOOK = `{
  const fs = require('node:fs'), { join } = require('node:path')
  const read = (name) => fs.readFileSync('/proc/self/' + name, 'utf8')
  const own = (name) => ['pm_id', 'NODE_APP_INSTANCE', 'NODE_UNIQUE_ID', 'NODE_CHANNEL_FD'].includes(name)
  let stdin = ''
  process.stdin.on('data', (data) => (stdin += data)).on('end', () => {
    const seen = {
      argv: process.argv,
      execArgv: process.execArgv.map((word) => fs.existsSync(word) ? fs.realpathSync(word) : word),
      cwd: process.cwd(),
      preloaded: globalThis.preloaded,
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !own(name)).sort()),
      limits: read('limits'),
      umask: process.umask(),
      stdin,
      isTTY: [process.stdout.isTTY, process.stderr.isTTY],
      survivesRejections: process.listenerCount('unhandledRejection') > 0,
    }
    const who = process.env.pm_id === undefined ? 'candidate' : 'worker'
    fs.writeFileSync(join(process.env.FLAGS, who), JSON.stringify(seen))
  })
}`
/** Node starts in one folder, and runs the app in another. */
const PRELOAD = `globalThis.preloaded = { cwd: process.cwd(), options: process.env.NODE_OPTIONS, file: __filename }`

const pm2Path = dirname(createRequire(import.meta.url).resolve('pm2/package.json'))

/** A daemon that somebody started from another session, with an environment, a folder and limits of its own. */
async function startDaemon(home: string, more: Readonly<Record<string, string>> = {}): Promise<void> {
  const elsewhere = folder()
  const code = `const pm2 = require(${JSON.stringify(pm2Path)}); pm2.connect(() => pm2.disconnect())`
  execFileSync(
    '/bin/sh',
    ['-c', 'ulimit -n 3000; ulimit -c 0; umask 027; exec "$0" -e "$1"', process.execPath, code],
    {
      cwd: elsewhere,
      env: {
        HOME: home,
        PM2_HOME: home,
        PATH: '/opt/theirs:/usr/bin:/bin',
        TZ: 'Asia/Tokyo',
        NODE_OPTIONS: '--trace-uncaught',
        ...more,
      },
    },
  )
  daemons.push((await daemonPid(home))!)
}

/** As an activation does: starts the app, or reloads its worker. */
function startApp(home: string, layout: Layout, runtime: Runtime): void {
  const at = (name: string) => JSON.stringify(join(compiled, name))
  const times = { boot: 10_000, heal: 0, stay: 0, listen: 10_000, kill: 10_000 }
  const goal = { runtime, entry: 'server.js' }
  const code = `
    const { connectPm2 } = require(${at('agent/pm2/client.js')}), { pm2App } = require(${at('agent/activation/workers.js')})
    connectPm2({ path: ${JSON.stringify(pm2Path)}, version: '' }, ${JSON.stringify(home)}).then(async (pm2) => {
      const app = pm2App(${JSON.stringify(layout.base)}, 'site', ${JSON.stringify(goal)}, ${JSON.stringify(times)})
      const [worker] = await pm2.list('site')
      if (worker === undefined) await pm2.start(app)
      else await pm2.reload(worker.id, app.options)
      process.exit(0)
    })`
  execFileSync(process.execPath, ['-e', code], {
    env: { ...cleanEnvironment(), PM2_HOME: home },
    stdio: 'pipe',
  })
}

describe('a candidate and a worker', () => {
  test('are started alike, whoever started PM2’s daemon', async () => {
    const nodeOptions = ['--require', './preload.cjs', '--max-http-header-size=20000']
    const release = await makeRelease(folder(), compiled, {
      runtime: { nodeOptions },
      server: LOOK + SERVER,
      files: { 'preload.cjs': PRELOAD },
    })
    const layout = layoutOf(release.app)
    makeFolders(layout)
    symlinkSync(release.directory, layout.current)
    const home = join(folder(), '.pm2')
    mkdirSync(home)
    await startDaemon(home)
    const seenBy = async (who: string) => {
      const file = join(release.runtime.env['FLAGS']!, who)
      return JSON.parse(
        await until(`${who} has looked`, () => {
          try {
            return readFileSync(file, 'utf8')
          } catch {
            return null
          }
        }),
      )
    }

    await verifyCandidate(layout, release.id, release.runtime, await workerStart(release.app, home, null))
    startApp(home, layout, release.runtime)
    const [candidate, worker] = [await seenBy('candidate'), await seenBy('worker')]
    expect(candidate).toEqual(worker)
    expect(candidate).toMatchObject({
      argv: [process.execPath, join(release.directory, 'server.js')],
      cwd: release.directory,
      preloaded: { file: join(release.directory, 'preload.cjs'), options: '--trace-uncaught' },
      env: { TZ: 'Asia/Tokyo' },
      umask: 0o027,
      stdin: '',
    })
    expect(candidate.limits).toMatch(/Max open files +3000 +3000/)
  }, 60_000)

  test('go by what PM2 keeps of the app, but for what makes a worker of it', async () => {
    const kept = {
      PATH: '/kept',
      NODE_OPTIONS: '--inspect',
      pm_id: 3,
      NODE_APP_INSTANCE: '0',
      status: 'online',
    }
    const { env } = await workerStart('/app', join(folder(), 'no-pm2'), kept)
    expect(env).toEqual({ PATH: '/kept', status: 'online' })
  })
})

/**
 * The threads of the process once its pool is at work, and what the app is told of them. It counts again and again,
 * because Node and V8 start and end threads of their own meanwhile.
 */
const COUNT_THREADS = `{
  const { pbkdf2 } = require('node:crypto'), fs = require('node:fs'), { join } = require('node:path')
  const hashed = () => new Promise((resolve) => pbkdf2('a', 'b', 1000, 32, 'sha1', resolve))
  const count = () => {
    const told = process.env.UV_THREADPOOL_SIZE ?? null
    const who = process.env.pm_id === undefined ? 'candidate' : 'worker'
    const file = join(process.env.FLAGS, who)
    fs.writeFileSync(file + '.new', JSON.stringify({ pid: process.pid, told, threads: fs.readdirSync('/proc/self/task').length }))
    fs.renameSync(file + '.new', file)
  }
  Promise.all(Array.from({ length: 64 }, hashed)).then(() => (count(), setInterval(count, 50)))
}`

const starts: readonly (readonly [string, { readonly UV_THREADPOOL_SIZE?: string }, number])[] = [
  ['that has none', {}, 4],
  ['with one of its own', { UV_THREADPOOL_SIZE: '6' }, 6],
]
test.each(starts)(
  'UV_THREADPOOL_SIZE is the release’s in candidate and worker alike, under a daemon %s',
  async (_, environment, otherwise) => {
    const release = await makeRelease(folder(), compiled, { server: COUNT_THREADS + SERVER })
    const layout = layoutOf(release.app)
    makeFolders(layout)
    symlinkSync(release.directory, layout.current)
    const home = join(folder(), '.pm2')
    mkdirSync(home)
    await startDaemon(home, environment)
    const flags = release.runtime.env['FLAGS']!
    const counted = (who: string): Counted | null => {
      try {
        return JSON.parse(readFileSync(join(flags, who), 'utf8')) as Counted
      } catch {
        return null
      }
    }
    const workers = new Set<number>()
    let others: number | undefined
    for (const size of [9, undefined, 12, 7, undefined]) {
      const env = {
        ...release.runtime.env,
        ...(size === undefined ? {} : { UV_THREADPOOL_SIZE: String(size) }),
      }
      const runtime = { ...release.runtime, env }
      writeFileSync(join(release.directory, '.gapless/runtime.json'), JSON.stringify(runtime))
      const kept = others === undefined ? null : await keptBy(home)
      const start = await workerStart(release.app, home, kept)
      rmSync(join(flags, 'candidate'), { force: true })
      // One that is healthy at once has ended before it counted.
      for (; counted('candidate') === null;) await verifyCandidate(layout, release.id, runtime, start)
      startApp(home, layout, runtime)
      // The candidate has ended: this is its last count.
      const candidate = counted('candidate')!
      others ??= candidate.threads - 9
      const threads = others + (size ?? otherwise)
      const told = size === undefined ? (environment.UV_THREADPOOL_SIZE ?? null) : String(size)
      expect({ size, ...candidate }).toMatchObject({ size, told, threads })
      const isSame = (worker: Counted) => worker.told === told && worker.threads === threads
      const what = `a worker counts ${threads} threads, and is told ${told}`
      const isThere = () => {
        const worker = counted('worker')
        if (worker === null || workers.has(worker.pid) || !isSame(worker)) return null
        return workers.add(worker.pid)
      }
      // Where the machine is busy, PM2 takes long to start one.
      await until(what, isThere, 30_000)
    }
  },
  180_000,
)

interface Counted {
  readonly pid: number
  readonly told: string | null
  readonly threads: number
}

/** What PM2 keeps of the app, as the agent asks for it. */
async function keptBy(home: string): Promise<Readonly<Record<string, unknown>>> {
  const client = JSON.stringify(join(compiled, 'agent/pm2/client.js'))
  const code = `
    require(${client}).connectPm2({ path: ${JSON.stringify(pm2Path)}, version: '' }, ${JSON.stringify(home)}).then(async (pm2) => {
      console.log('kept ' + JSON.stringify((await pm2.list('site'))[0].definition))
      process.exit(0)
    })`
  const printed = execFileSync(process.execPath, ['-e', code], {
    env: { ...cleanEnvironment(), PM2_HOME: home },
    encoding: 'utf8',
  })
  return JSON.parse(/^kept (.*)$/m.exec(printed)![1]!) as Readonly<Record<string, unknown>>
}

/** One activation, in a process of its own, from the lock to the verdict. */
async function activate(layout: Layout, home: string, release: string): Promise<Verdict> {
  const job = {
    base: layout.base,
    appName: 'site',
    pm2Path,
    pm2Version: '',
    pm2Home: home,
    request: { ...request, release },
  }
  const code = `
    const { runJob } = require(${JSON.stringify(join(compiled, 'agent/activation/server/world.js'))})
    runJob(${JSON.stringify(job)}).then((verdict) => {
      console.log('verdict ' + JSON.stringify(verdict))
      process.exit(0)
    })`
  const env = { ...cleanEnvironment(), PM2_HOME: home }
  const printed = execFileSync(process.execPath, ['-e', code], { env, encoding: 'utf8' })
  const found = await daemonPid(home)
  if (found !== null && !daemons.includes(found)) daemons.push(found)
  return JSON.parse(/^verdict (.*)$/m.exec(printed)![1]!) as Verdict
}

/** A release that can be verified and activated. */
async function start(options: FakeReleaseOptions) {
  const release = await makeRelease(folder(), compiled, options)
  const { directory, app, id, runtime } = release
  const launcher = readFileSync(join(directory, '.gapless/launcher.cjs'))
  const entry = {
    kind: 'file',
    path: '.gapless/launcher.cjs',
    mode: 0o644,
    size: launcher.length,
    hash: sha256(launcher),
  } as const
  writeFileSync(join(directory, '.gapless/manifest.jsonl'), formatEntry(entry))
  const layout = layoutOf(app)
  makeFolders(layout)
  const home = join(folder(), '.pm2')
  const verify = async () => verifyCandidate(layout, id, runtime, await workerStart(app, home, null))
  return { verify, activate: () => activate(layout, home, id) }
}

test('an activation of a release that never listens under PM2 ends when its health check is over', async () => {
  const { health } = runtimeWith()
  const { activate: bringUp } = await start({
    server: 'setInterval(() => undefined, 1000)',
    runtime: { health: { ...health, timeoutMs: 1000 } },
  })
  expect(await bringUp()).toMatchObject({ status: 'down', failure: { code: 'worker-unhealthy' } })
}, 60_000)

test('the verdict names what the first workers look for in vain', async () => {
  const { activate: bringUp } = await start({
    server: `require('node:fs').readFile(require('node:path').join(__dirname, 'mail.html'), (error) => console.error(error.message))\n${SERVER}`,
  })
  const { status, notFound } = await bringUp()
  expect(status).toBe('live')
  expect(notFound).toMatch(/^ENOENT: no such file or directory, open '.*\/releases\/\d{14}\/mail\.html'$/)
}, 60_000)

describe('what Node cannot preload', () => {
  const preloading = (nodeOptions: readonly string[]) =>
    start({ runtime: { nodeOptions }, files: { 'preload.cjs': '' } })

  test('fails the candidate as it fails a worker, whose last words only PM2’s own log has', async () => {
    const { verify, activate: bringUp } = await preloading(['--require', 'no-such-package/register'])
    const words = expect.stringContaining(`Cannot find module 'no-such-package/register'`)
    expect(await failureOf(verify())).toMatchObject({ code: 'candidate-died', evidence: words })
    expect(await bringUp()).toMatchObject({ status: 'down', failure: { evidence: words } })
  }, 60_000)

  test('is not a file of the app, which is found for both', async () => {
    const { verify, activate: bringUp } = await preloading(['--require', './preload.cjs'])
    expect(await verify()).toMatchObject({ status: 200 })
    expect(await bringUp()).toMatchObject({ status: 'live', failure: null })
  }, 60_000)
})

test('a path in node-options is relative to the app’s folder, and nothing else is touched', () => {
  const words = [
    '--require',
    './a.cjs',
    '--import=../b.mjs',
    '--diagnostic-dir=.',
    '-r',
    'dotenv/config',
    '--title=.x',
  ]
  expect(nodeArguments(words, '/srv/current', 'apps/web/server.js')).toEqual([
    '--require',
    '/srv/current/apps/web/a.cjs',
    '--import=/srv/current/apps/b.mjs',
    '--diagnostic-dir=/srv/current/apps/web',
    '-r',
    'dotenv/config',
    '--title=.x',
  ])
})

test('limits that are the session’s already are not set again', () => {
  const limits = (files: string) => `Limit  Soft Limit  Hard Limit  Units
Max file size             unlimited            unlimited            bytes
Max open files            ${files}                 files
Max realtime timeout      unlimited            unlimited            us`
  expect(changedLimits(limits('1024   4096'), limits('1024   4096'))).toEqual([])
  expect(changedLimits(limits('1024   4096'), limits('1024   2048'))).toEqual([
    'ulimit -H -n 2048 2>/dev/null || :',
  ])
})
