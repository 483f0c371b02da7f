import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { shareBuild } from '../support/builds.ts'
import { type CommandLines, watchCommandLines } from '../support/command-lines.ts'
import { listing } from '../support/listing.ts'
import { prebuilt, runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { checkOut, sabotage, type Workspace } from '../support/workspace.ts'

/** The phases' marks in the summary, in order: `connect ✅`. */
function phases({ summary }: RunResult): readonly string[] {
  return [...summary.matchAll(/^\| ([a-z-]+) \| (✅|❌|⏭️) \|/gm)].map(([, name, mark]) => `${name} ${mark}`)
}

let server: TestServer
let workspace: Workspace
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? test : test.skip

const page = async (path: string) => (await fetch(server.url + path)).text()
const message = async () =>
  ((await (await fetch(`${server.url}/api/release`)).json()) as { message: string }).message
const releases = () => readdirSync(join(server.app, 'releases')).sort()
const incoming = () => readdirSync(join(server.app, '.gapless', 'incoming'))

let commandLines: CommandLines

beforeAll(async () => {
  server = await startServer()
  // Some line of the key, and the values of `env` in the tests below.
  commandLines = watchCommandLines([server.inputs['key']!.split('\n')[1]!, 'hello there'])
  workspace = checkOut()
})
afterAll(async () => {
  // Otherwise its timer would keep Jest from ending, where only some of the tests run.
  commandLines.stop()
  await server.stop()
  workspace.remove()
})

describe('the life of an app', () => {
  let first: string
  let second: string
  let built: Workspace

  test('a first deploy installs, builds and brings the app up', async () => {
    const run = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, env: 'GREETING=hello there' },
      env: { RUNNER_DEBUG: '1' },
    })
    expect({ ...run.outputs, code: run.code, log: run.code === 0 ? '' : run.log }).toMatchObject({
      code: 0,
      log: '',
      status: 'live',
      release: expect.stringMatching(/^\d{14}$/),
      'previous-release': '',
    })
    first = run.outputs['release']!
    shareBuild('first', workspace)
    expect(run.outputs['live-release']).toBe(first)
    expect(Number(run.outputs['uploaded-bytes'])).toBeGreaterThan(1_000_000)
    expect(phases(run)).toEqual(
      ['connect', 'build', 'assemble', 'upload', 'verify', 'swap', 'reload', 'health-check', 'cleanup'].map(
        (name) => `${name} ✅`,
      ),
    )
    expect(server.current()).toBe(first)
    expect(await message()).toBe('first')
    expect(run.log).toMatch(/^::debug::→ commit #\d+ request, \d+ bytes \{"id":"\d{14}"/m)
    expect(run.log).toMatch(/^::debug::← activate #\d+ result, .*"status":"live"/m)
    expect(run.log).not.toContain('hello there')
  }, 240_000)

  test('its page, its chunks and its oddly named files are served', async () => {
    const html = await page('/')
    const chunks = [
      ...new Set([...html.matchAll(/\/_next\/static\/[^"\\]+?\.(?:js|css)/g)].map(([path]) => path)),
    ]
    expect(chunks.length).toBeGreaterThan(3)
    for (const chunk of chunks) expect((await fetch(server.url + chunk)).status).toBe(200)
    const odd = await fetch(`${server.url}/${encodeURIComponent('hello [1] $x.txt')}`)
    expect(await odd.text()).toBe(workspace.read('public/hello [1] $x.txt'))
  })

  test('the app has its own environment, and nothing of the SSH session', async () => {
    const { keys, values } = JSON.parse(await page('/api/env')) as {
      keys: string[]
      values: Record<string, string>
    }
    expect(values).toMatchObject({
      GREETING: 'hello there',
      NODE_ENV: 'production',
      PORT: String(server.appPort),
    })
    expect(keys.filter((key) => /^(SSH|SECRET|INPUT|GITHUB)/.test(key))).toEqual([])
  })

  test('its environment and the tool’s folder are the user’s alone', () => {
    const own = join(server.app, 'releases', first, '.gapless')
    expect(statSync(join(own, 'runtime.json')).mode & 0o777).toBe(0o600)
    expect(statSync(join(server.app, '.gapless')).mode & 0o777).toBe(0o700)
    expect(JSON.parse(readFileSync(join(own, 'release.json'), 'utf8'))).toMatchObject({
      id: first,
      commit: '0123456789abcdef0123456789abcdef01234567',
      ref: 'refs/heads/main',
      actor: 'tester',
      runUrl: 'https://github.example/acme/site/actions/runs/42',
      entry: 'server.js',
    })
  })

  test('PM2 runs two cluster workers through current', async () => {
    const list = await server.pm2List()
    const worker = ['online', 'cluster_mode', join(server.app, 'current')]
    expect(list.map(({ pm2_env }) => [pm2_env.status, pm2_env['exec_mode'], pm2_env['pm_cwd']])).toEqual([
      worker,
      worker,
    ])
  })

  test('a redeploy sends only what changed and serves the new text', async () => {
    workspace.setMessage('second')
    const run = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, 'install-command': 'none', env: 'GREETING=changed' },
    })
    expect({ ...run.outputs, code: run.code }).toMatchObject({
      code: 0,
      status: 'live',
      'previous-release': first,
    })
    second = run.outputs['release']!
    expect(second > first).toBe(true)
    expect(Number(run.outputs['uploaded-bytes'])).toBeLessThan(1_000_000)
    expect(server.current()).toBe(second)
    expect(await message()).toBe('second')
    expect((await server.pm2List()).map(({ pm_id }) => pm_id)).toEqual([0, 1])
    built = workspace.copyBuilt()
    shareBuild('second', built)
  }, 120_000)

  test('a rollback brings the release before back, with its environment', async () => {
    const run = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'rollback' },
    })
    expect({ ...run.outputs, code: run.code }).toMatchObject({
      code: 0,
      status: 'live',
      release: first,
      'live-release': first,
      'previous-release': second,
    })
    expect(phases(run)).toEqual(
      ['connect', 'verify', 'swap', 'reload', 'health-check', 'cleanup'].map((name) => `${name} ✅`),
    )
    const commit = '0123456789abcdef0123456789abcdef01234567'
    const source = `([\`0123456\`](https://github.example/acme/site/commit/${commit}) by tester)`
    expect(run.summary).toContain(`**Release:** \`${second}\` ${source} → \`${first}\` ${source}\n`)
    expect(await message()).toBe('first')
    expect(JSON.parse(await page('/api/env'))).toMatchObject({ values: { GREETING: 'hello there' } })
  }, 60_000)

  test('a rollback by name goes to that release, and names what apps wrote into releases', async () => {
    const at = (release: string, path: string) => join(server.app, 'releases', release, path)
    appendFileSync(at(second, 'public/robots.txt'), '# written by the app\n')
    mkdirSync(at(first, 'public/uploads'))
    writeFileSync(at(first, 'public/uploads/a.png'), 'uploaded')
    const run = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'rollback', release: second },
    })
    expect({ ...run.outputs, code: run.code }).toMatchObject({
      code: 0,
      status: 'live',
      'live-release': second,
    })
    expect(await message()).toBe('second')
    expect(run.log).toMatch(/^::warning::.*public\/robots\.txt/m)
    expect(run.log).toMatch(/^::warning::.*public\/uploads\/.*shared-dirs/m)
    expect(run.summary).toContain(`The app wrote into release ${first}`)
  }, 60_000)

  test('a rollback to the current release starts its workers again', async () => {
    const before = new Set((await server.pm2List()).map(({ pid }) => pid))
    const run = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'rollback', release: second },
    })
    expect({ ...run.outputs, code: run.code }).toMatchObject({
      code: 0,
      status: 'live',
      'live-release': second,
    })
    const after = (await server.pm2List()).map(({ pid }) => pid)
    expect(after.filter((pid) => before.has(pid))).toEqual([])
    expect(await message()).toBe('second')
  }, 60_000)

  test('a rollback to a release that is not there, or malformed, is refused with those that are', async () => {
    const unknown = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'rollback', release: '20200101000000' },
    })
    expect({ ...unknown.outputs, code: unknown.code }).toMatchObject({
      code: 1,
      status: 'kept',
      'live-release': second,
    })
    expect(unknown.summary).toContain('There is no release "20200101000000"')
    expect(unknown.summary).toContain(`${first}, ${second} (live)`)
    const malformed = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'rollback', release: '../../etc' },
    })
    expect({ ...malformed.outputs, code: malformed.code }).toMatchObject({ code: 1, status: 'kept' })
    expect(malformed.log).toContain('release')
    expect(server.current()).toBe(second)
  })

  test('status tells what is live, the releases and what the workers run', async () => {
    const run = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'status' },
    })
    expect({ ...run.outputs, code: run.code }).toMatchObject({
      code: 0,
      status: 'live',
      'live-release': second,
    })
    for (const { pid } of await server.pm2List()) {
      expect(run.summary).toMatch(new RegExp(`\\| ${pid} \\| online \\| ${second} \\| serving \\|`))
    }
    expect(run.summary).toContain(first)
  })

  test('a dry run changes nothing', async () => {
    const changed = sabotage(built.copyBuilt(), '// changed')
    // All but what the app and PM2 write by themselves.
    const untouched = () => listing(server.home, /^\.pm2\/(logs\/|pm2\.log$)|\.gapless\/workers\/|\/cache\//)
    const before = untouched()
    const run = await runAction({
      workspace: changed.path,
      inputs: { ...server.inputs, ...prebuilt, 'dry-run': 'true', 'keep-releases': '1' },
    })
    changed.remove()
    expect({ ...run.outputs, code: run.code }).toMatchObject({
      code: 0,
      status: 'kept',
      'live-release': second,
      'uploaded-bytes': '0',
    })
    expect(run.summary).toMatch(/\*\*Send:\*\* 1 of \d+ files, /)
    expect(run.summary).toContain(`**Remove:** \`${first}\``)
    expect(run.summary).toContain('**Problems:** none')
    expect(run.summary).toContain('| server.js |')
    expect(run.log).toContain('would send server.js (')
    expect(untouched()).toEqual(before)
  })

  test('a dry run of a rollback changes nothing, and tells which release would be live', async () => {
    const run = await runAction({
      workspace: built.path,
      inputs: { ...server.inputs, command: 'rollback', 'dry-run': 'true' },
    })
    expect({ ...run.outputs, code: run.code }).toMatchObject({ code: 0, status: 'kept', release: first })
    expect(run.summary).toContain('**Remove:** no release')
    expect(server.current()).toBe(second)
  })

  describe('a release that', () => {
    const pids = async () => (await server.pm2List()).map(({ pid }) => pid)

    async function deployBroken(code: string, inputs: Record<string, string> = {}): Promise<RunResult> {
      const broken = sabotage(built.copyBuilt(), code)
      try {
        return await runAction({
          workspace: broken.path,
          inputs: { ...server.inputs, ...prebuilt, ...inputs },
        })
      } finally {
        broken.remove()
      }
    }

    test('throws at boot never comes near the live one', async () => {
      const [before, robots] = [await pids(), await page('/robots.txt')]
      const run = await deployBroken(
        `require('fs').writeFileSync(__dirname + '/public/robots.txt', 'written by a candidate')
        throw new Error('cannot find the flux capacitor')`,
      )
      expect({ ...run.outputs, code: run.code }).toMatchObject({
        code: 1,
        status: 'kept',
        'live-release': second,
      })
      expect(phases(run).at(-1)).toBe('verify ❌')
      expect(run.summary).toContain('cannot find the flux capacitor')
      expect(await pids()).toEqual(before)
      expect(await message()).toBe('second')
      expect(await page('/robots.txt')).toBe(robots)
      expect(releases()).not.toContain(run.outputs['release'])
    }, 60_000)

    test('answers its health check with 500 never comes near the live one', async () => {
      const before = await pids()
      const run = await deployBroken('', { env: 'HEALTH=bad', 'health-check-timeout': '4s' })
      expect({ ...run.outputs, code: run.code }).toMatchObject({
        code: 1,
        status: 'kept',
        'live-release': second,
      })
      expect(run.summary).toContain('HTTP 500')
      expect(run.summary).toContain('unhealthy')
      expect(await pids()).toEqual(before)
    }, 60_000)

    test('dies only once PM2 runs it is undone', async () => {
      const run = await deployBroken(
        `if (process.env.pm_id !== undefined) setTimeout(() => { console.error('dead under PM2'); process.exit(1) }, 300)`,
      )
      expect({ ...run.outputs, code: run.code }).toMatchObject({
        code: 1,
        status: 'restored',
        'live-release': second,
        'previous-release': second,
      })
      expect(phases(run)).toContain('reload ❌')
      expect(phases(run)).toContain('rollback ✅')
      // It took some time, and says so.
      expect(run.summary).not.toMatch(/^\| rollback \| ✅ \| \d ms \|/m)
      expect(run.summary).toContain('**What to do:** ')
      expect(run.summary).toContain('dead under PM2')
      expect(server.current()).toBe(second)
      expect(await message()).toBe('second')
      const status = await runAction({
        workspace: workspace.path,
        inputs: { ...server.inputs, command: 'status' },
      })
      expect(status.outputs).toMatchObject({ status: 'live', 'live-release': second })
    }, 90_000)

    test('fails its post-activate is undone, by workers whose launcher is the one that was uploaded', async () => {
      const launcher = join(server.app, 'releases', second, '.gapless', 'launcher.cjs')
      const uploaded = readFileSync(launcher)
      writeFileSync(launcher, 'process.exit(1)')
      const hooks = { 'pre-activate': 'echo migrated', 'post-activate': 'echo no luck today\nexit 3' }
      const run = await deployBroken('', hooks)
      expect({ ...run.outputs, code: run.code }).toMatchObject({
        code: 1,
        status: 'restored',
        'live-release': second,
      })
      expect(run.log).toContain('pre-activate: migrated')
      expect(run.summary).toContain('no luck today')
      expect(run.log).toContain('launcher.cjs", which was modified on the server')
      expect(readFileSync(launcher)).toEqual(uploaded)
      expect(await message()).toBe('second')
    }, 90_000)

    thorough(
      'fails its pre-activate never goes live',
      async () => {
        const run = await deployBroken('', { 'pre-activate': 'echo migration failed; false' })
        expect({ ...run.outputs, code: run.code }).toMatchObject({
          code: 1,
          status: 'kept',
          'live-release': second,
        })
        expect(run.summary).toContain('migration failed')
      },
      60_000,
    )

    thorough(
      'is not healthy from outside is undone',
      async () => {
        const run = await deployBroken('', {
          'health-check-url': 'http://127.0.0.1:9/',
          // Long enough for the workers to start on a busy machine.
          'health-check-timeout': '5s',
        })
        expect({ ...run.outputs, code: run.code }).toMatchObject({
          code: 1,
          status: 'restored',
          'live-release': second,
        })
        expect(run.summary).toContain('http://127.0.0.1:9/')
        expect(server.current()).toBe(second)
      },
      90_000,
    )
  })

  test('a damaged release is refused', async () => {
    appendFileSync(join(server.app, 'releases', first, 'server.js'), '// changed by hand\n')
    const run = await runAction({
      workspace: workspace.path,
      inputs: { ...server.inputs, command: 'rollback', release: first },
    })
    expect({ ...run.outputs, code: run.code }).toMatchObject({
      code: 1,
      status: 'kept',
      'live-release': second,
    })
    expect(run.summary).toContain('was modified')
  })

  test('keep-releases prunes the oldest, never the live and the previous', async () => {
    const inputs = { ...server.inputs, ...prebuilt, 'keep-releases': '1' }
    const run = await runAction({ workspace: built.path, inputs })
    expect(run.outputs['status']).toBe('live')
    expect(releases()).toEqual([second, run.outputs['release']])
    expect(incoming()).toEqual([])
    built.remove()
  }, 60_000)

  test('secrets are in no file that others can read, and in no log', async () => {
    const [, line = ''] = server.inputs['key']!.split('\n')
    expect(() => execFileSync('grep', ['-rqF', line, server.home])).toThrow()
    expect(existsSync(join(server.app, 'current', '.gapless', 'runtime.json'))).toBe(true)
  })

  test('nor on a command line, of the runner or of the server, at any time', () => {
    const { found, looks } = commandLines.stop()
    expect(found).toEqual([])
    expect(looks).toBeGreaterThan(100)
  })
})
