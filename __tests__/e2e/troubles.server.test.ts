import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { startProxy } from '../support/proxy.ts'
import { fetchPackage } from '../support/registry.ts'
import { prebuilt, runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { mayMount, mountTmpfs } from '../support/test-mounts.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** What is wrong on the way to a first deploy: each is one clear error, and leaves nothing behind. */

let server: TestServer
let workspace: Workspace
/** Mounts, which these tests hide and fill disks with, are root's. */
const withRoot = mayMount ? test : test.skip

beforeAll(async () => {
  server = await startServer()
  workspace = await buildOfExample('first')
}, 240_000)
afterAll(async () => {
  await server.stop()
  workspace.remove()
})

async function deploy(inputs: Record<string, string> = {}, from = workspace): Promise<RunResult> {
  return runAction({ workspace: from.path, inputs: { ...server.inputs, ...prebuilt, ...inputs } })
}

/** Red, with the code, nothing live and nothing half done on the server. */
function expectKept(run: RunResult, code: string): void {
  expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'kept', 'live-release': '' })
  expect(run.summary).toContain(`\`${code}\``)
  expect(existsSync(join(server.app, 'current'))).toBe(false)
  const left = ['releases', '.gapless/incoming'].flatMap((folder) =>
    existsSync(join(server.app, folder)) ? readdirSync(join(server.app, folder)) : [],
  )
  expect(left).toEqual([])
}

describe('before anything is built', () => {
  test('a key that the server does not accept', async () => {
    const run = await deploy({ key: server.sshd.otherKey, 'build-command': 'touch was-built' })
    expectKept(run, 'login-refused')
    expect(run.summary).toContain('authorized_keys')
    expect(existsSync(join(workspace.path, 'was-built'))).toBe(false)
  })

  test('another host key than the one that is known', async () => {
    const other = `[127.0.0.1]:${server.sshd.port} ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJWYNVBqQyMSnFTTMTqVVnW9rcJEtSDmUNnfoCVwPJ6B`
    const run = await deploy({ 'known-hosts': other })
    expectKept(run, 'host-key-mismatch')
    expect(run.summary).toContain(server.sshd.fingerprint.replace('SHA256:', ''))
  })

  test('no PM2 on the server', async () => {
    const bare = await startServer({ withoutPm2: true })
    try {
      const run = await runAction({ workspace: workspace.path, inputs: { ...bare.inputs, ...prebuilt } })
      expect(run.code).toBe(1)
      expect(run.summary).toContain('pm2-missing')
      expect(run.summary).toContain('npm install --global --prefix')
      expect(run.summary).toContain(join(bare.home, 'bin'))
    } finally {
      await bare.stop()
    }
  })

  withRoot('no Node.js on the server', async () => {
    const bare = await startServer({ withoutNode: true })
    try {
      const run = await runAction({ workspace: workspace.path, inputs: { ...bare.inputs, ...prebuilt } })
      expect(run.code).toBe(1)
      expect(run.summary).toContain('node-missing')
      expect(run.summary).toContain('/usr/local/bin/node')
    } finally {
      await bare.stop()
    }
  })

  test.each([
    ['a folder without package.json', { 'working-directory': 'public' }, 'no-package-json'],
    ['a folder that is not a Next.js app', { 'working-directory': 'plain' }, 'not-a-next-app'],
    ['a folder outside the repository', { 'working-directory': '../..' }, 'invalid-input'],
  ])('%s', async (_, inputs, code) => {
    mkdirSync(join(workspace.path, 'plain'), { recursive: true })
    writeFileSync(join(workspace.path, 'plain', 'package.json'), '{ "name": "plain" }')
    const run = await deploy(inputs)
    expectKept(run, code)
    expect(run.log).toContain('working-directory')
  })
})

describe('the build', () => {
  test('that fails shows its own words', async () => {
    const run = await deploy({ 'build-command': 'echo "Type error: everything is wrong" >&2; exit 2' })
    expectKept(run, 'build-failed')
    expect(run.summary).toContain('Type error: everything is wrong')
  })

  test('of a static export is refused with the reason', async () => {
    const exported = workspace.copyBuilt()
    const file = '.next/required-server-files.json'
    const written = JSON.parse(exported.read(file)) as { config: { output: string } }
    written.config.output = 'export'
    exported.write(file, JSON.stringify(written))
    try {
      expectKept(await deploy({}, exported), 'output-export')
    } finally {
      exported.remove()
    }
  }, 30_000)
})

describe('what the server cannot run', () => {
  test('a Node.js that the app does not want fails before the build', async () => {
    const picky = workspace.copyBuilt()
    const manifest = JSON.parse(picky.read('package.json')) as Record<string, unknown>
    picky.write('package.json', JSON.stringify({ ...manifest, engines: { node: '>=99' } }))
    try {
      const run = await deploy({ 'build-command': 'touch was-built' }, picky)
      expectKept(run, 'release-unfit')
      expect(run.summary).toContain('the app requires Node.js >=99')
      expect(existsSync(join(picky.path, 'was-built'))).toBe(false)
    } finally {
      picky.remove()
    }
  }, 30_000)

  test('a native module for another system fails before anything is sent', async () => {
    const foreign = workspace.copyBuilt()
    const read = await fetchPackage('@node-rs/bcrypt-darwin-arm64@1.10.7')
    const folder = '.next/standalone/node_modules/@node-rs/bcrypt-darwin-arm64'
    mkdirSync(join(foreign.path, folder), { recursive: true })
    for (const file of ['package.json', 'bcrypt.darwin-arm64.node']) {
      writeFileSync(join(foreign.path, folder, file), read(file))
    }
    try {
      const run = await deploy({}, foreign)
      expectKept(run, 'release-unfit')
      expect(run.outputs['uploaded-bytes']).toBe('0')
      expect(run.summary).toContain('@node-rs/bcrypt 1.10.7 is built for darwin arm64')
    } finally {
      foreign.remove()
    }
  }, 30_000)
})

test('a build of another app is refused, and one that looks old is doubted', async () => {
  const other = workspace.copyBuilt()
  const manifest = JSON.parse(other.read('package.json')) as { dependencies: object }
  const { appDir } = JSON.parse(other.read('.next/required-server-files.json')) as { appDir: string }
  mkdirSync(appDir)
  try {
    other.write('package.json', JSON.stringify({ ...manifest, name: 'another-app' }))
    expectKept(await deploy({}, other), 'foreign-build')
    other.write(
      'package.json',
      JSON.stringify({ ...manifest, dependencies: { ...manifest.dependencies, x: '1' } }),
    )
    const run = await deploy({ 'dry-run': 'true' }, other)
    expect(run.code).toBe(0)
    expect(run.log).toMatch(/^::warning::The dependencies in package.json have changed since the build/m)
    expect(run.summary).toContain('The dependencies in package.json have changed since the build')
    expect(run.summary).toContain(`The build was made in another folder of this machine, ${appDir}`)
  } finally {
    rmdirSync(appDir)
    other.remove()
  }
}, 30_000)

describe('on the server', () => {
  test('a port that somebody else has', async () => {
    const squatter = createServer((_, response) => response.end('mine'))
    await new Promise<void>((resolve) => squatter.listen(server.appPort, '127.0.0.1', resolve))
    try {
      const run = await deploy()
      expectKept(run, 'port-taken')
      expect(run.summary).toContain(String(server.appPort))
    } finally {
      await new Promise((resolve) => squatter.close(resolve))
    }
  }, 30_000)

  test('a file where the folder should be', async () => {
    writeFileSync(join(server.home, 'occupied'), '')
    const run = await deploy({ path: 'occupied/app' })
    expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'kept' })
    expect(run.summary).toContain('path-not-writable')
  })

  withRoot('a read-only file system', async () => {
    const unmount = mountTmpfs(join(server.home, 'read-only'), 'ro')
    try {
      const run = await deploy({ path: 'read-only/app' })
      expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'kept' })
      expect(run.summary).toContain('path-not-writable')
    } finally {
      unmount()
    }
  })

  withRoot('a full disk, and nothing half done when there is room again', async () => {
    const folder = join(server.home, 'small')
    const unmount = mountTmpfs(folder, 'size=8m')
    try {
      const run = await deploy({ path: 'small/app' })
      expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'kept' })
      expect(run.summary).toContain('disk-full')
      expect(readdirSync(join(folder, 'app', 'releases'))).toEqual([])
      expect(readdirSync(join(folder, 'app', '.gapless', 'incoming'))).toEqual([])
    } finally {
      unmount()
    }
  })

  test('something that is not a link in the place of current', async () => {
    mkdirSync(join(server.home, 'handmade', 'current'), { recursive: true })
    const run = await deploy({ path: 'handmade' })
    expect({ code: run.code, ...run.outputs }).toMatchObject({ code: 1, status: 'kept' })
    expect(run.summary).toContain('current-not-a-link')
    expect(existsSync(join(server.home, 'handmade', 'releases'))).toBe(false)
  })

  test('a first release that dies only once PM2 runs it leaves the app stopped', async () => {
    const dies = `require('node:fs').writeSync(2, 'words of Node itself\\n'); console.error('dead under PM2'); process.exit(1)`
    const code = `if (process.env.pm_id !== undefined) setTimeout(() => { ${dies} }, 1000)`
    const broken = sabotage(workspace.copyBuilt(), code)
    try {
      const run = await deploy({}, broken)
      expect({ code: run.code, ...run.outputs }).toMatchObject({
        code: 1,
        status: 'down',
        'live-release': '',
      })
      expect(run.summary).toContain('dead under PM2')
      // Not in the app's logs: PM2 has it in its own.
      expect(run.summary).toContain('words of Node itself')
      expect((await server.pm2List()).filter(({ pm2_env }) => pm2_env.status === 'online')).toEqual([])
      expect(existsSync(join(server.app, 'current'))).toBe(false)
    } finally {
      broken.remove()
    }
  }, 60_000)

  test('after all of which a deploy succeeds, though its connection is cut while it uploads', async () => {
    // What the others brought would not be sent again.
    rmSync(join(server.app, 'releases'), { recursive: true, force: true })
    const proxy = await startProxy(server.sshd.port)
    const knownHosts = server.inputs['known-hosts']!.replace(`:${server.sshd.port} `, `:${proxy.port} `)
    proxy.cutAfter(6_000_000)
    try {
      const run = await deploy({ port: String(proxy.port), 'known-hosts': knownHosts })
      expect({ code: run.code, ...run.outputs, log: run.code === 0 ? '' : run.log }).toMatchObject({
        code: 0,
        status: 'live',
        log: '',
      })
      expect(run.log).toContain('the connection is back')
      const resumed = /the connection was lost, and the upload resumed: (\d+\.\d) MB had arrived/
      expect(run.summary).toMatch(resumed)
      const [, arrived] = resumed.exec(run.summary)!
      expect(Number(arrived)).toBeGreaterThan(1)
      // All of it twice would be some 21 MB.
      expect(proxy.sentBytes()).toBeLessThan(19_000_000)
      expect(await (await fetch(`${server.url}/api/release`)).text()).toContain('first')
    } finally {
      await proxy.stop()
    }
  }, 120_000)
})
