import { existsSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { layoutOf } from '../../src/agent/store/layout.ts'
import { takeLock } from '../../src/agent/system/lock.ts'
import { buildOfExample } from '../support/builds.ts'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { startSshAgent } from '../support/ssh-agent.ts'
import { type Sshd, startSshd } from '../support/sshd.ts'
import type { Workspace } from '../support/workspace.ts'

/** Inputs that other suites have no use for, through the action as a runner starts it. The server has Node.js 24. */

const prebuilt = { 'install-command': 'none', 'build-command': 'none', instances: '1' }
const dry = { 'dry-run': 'true' }

let server: TestServer
let jump: Sshd
let workspace: Workspace
beforeAll(async () => {
  workspace = await buildOfExample('first')
  ;[server, jump] = await Promise.all([startServer({ node: nodeBinary('24') }), startSshd()])
}, 240_000)
afterAll(async () => {
  await Promise.all([server?.stop(), jump?.stop()])
  workspace?.remove()
})

/** An input that is undefined is not given. */
async function run(
  changes: Readonly<Record<string, string | undefined>>,
  env: Readonly<Record<string, string>> = {},
): Promise<RunResult> {
  const given = Object.entries({ ...server.inputs, ...prebuilt, ...changes })
  const inputs = Object.fromEntries(
    given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
  return runAction({ workspace: workspace.path, inputs, env })
}

function expectStatus(result: RunResult, status: string, code: number): void {
  const { outputs, log } = result
  const expected = { code, status, log: '' }
  const asExpected = result.code === code && outputs['status'] === status
  expect({ code: result.code, status: outputs['status'], log: asExpected ? '' : log }).toEqual(expected)
}

describe('the login', () => {
  test('by an agent’s key, at a server that is known by its fingerprint', async () => {
    const agent = await startSshAgent(join(server.home, 'agent'), server.sshd.clientKey)
    try {
      const identity = { 'known-hosts': undefined, fingerprint: server.sshd.fingerprint }
      const result = await run({ ...dry, ...identity, key: undefined }, { SSH_AUTH_SOCK: agent.socket })
      expectStatus(result, 'kept', 0)
    } finally {
      agent.stop()
    }
  })

  const throughJump = () => ({
    'proxy-host': jump.host,
    'proxy-port': String(jump.port),
    'proxy-username': jump.username,
    'proxy-key': jump.clientKey,
    'proxy-fingerprint': jump.fingerprint,
  })

  test('through a jump host with a key of its own', async () => {
    expectStatus(await run({ ...dry, ...throughJump() }), 'kept', 0)
    expect(jump.logs()).toContain('Accepted publickey')
  })

  test('ends at a jump host that is another than the one that is known', async () => {
    const result = await run({ ...dry, ...throughJump(), 'proxy-fingerprint': server.sshd.fingerprint })
    expectStatus(result, 'kept', 1)
    expect(result.summary).toContain('`host-key-mismatch`')
    expect(result.summary).toContain(`:${jump.port}`)
  })
})

describe('`bin-path`', () => {
  test('is where `pm2` is found that is nowhere else', async () => {
    const odd = join(server.home, 'it\'s "odd" $HOME')
    renameSync(join(server.home, 'bin'), odd)
    try {
      const without = await run(dry)
      expectStatus(without, 'kept', 1)
      expect(without.summary).toMatch(/`(pm2|node)-(missing|not-found)`/)
      expectStatus(await run({ ...dry, 'bin-path': odd }), 'kept', 0)
    } finally {
      renameSync(odd, join(server.home, 'bin'))
    }
  })
})

describe('`path` and `app-name`', () => {
  test('are what they say, with spaces and beyond ASCII', async () => {
    const path = join(server.home, 'my sites', 'größe & co')
    const result = await run({ path, 'app-name': 'Shop_2.x' })
    expectStatus(result, 'live', 0)
    expect(readlinkSync(join(path, 'current'))).toBe(`releases/${result.outputs['release']}`)
    expect(await (await fetch(`${server.url}/api/release`)).json()).toMatchObject({ message: 'first' })
    const list = JSON.parse(await server.pm2('jlist', '-s')) as readonly { name: string }[]
    expect(list.map(({ name }) => name)).toEqual(['Shop_2.x'])
    await server.pm2('delete', 'Shop_2.x')
  }, 60_000)
})

describe('`shared-dirs` and `shared-files`', () => {
  test('outlive releases, and what a build brings is their first content', async () => {
    const shared = { 'shared-dirs': 'uploads\npublic', 'shared-files': 'data/settings.json' }
    expectStatus(await run(shared), 'live', 0)
    const current = (name: string) => join(server.app, 'current', name)
    writeFileSync(current('uploads/face.png'), 'a face')
    writeFileSync(current('data/settings.json'), '{}')
    const first = server.current()

    const second = await run(shared)
    expectStatus(second, 'live', 0)
    expect(server.current()).not.toBe(first)
    expect(readFileSync(current('uploads/face.png'), 'utf8')).toBe('a face')
    expect(readFileSync(current('data/settings.json'), 'utf8')).toBe('{}')
    expect(existsSync(join(server.app, 'shared', 'public', 'robots.txt'))).toBe(true)
    expect((await fetch(`${server.url}/robots.txt`)).status).toBe(200)
  }, 60_000)
})

/** Cheaper, and in every run: __tests__/agent/activation/run.test.ts. */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip
thorough('`lock-timeout`', () => {
  test('ends the wait for a deploy that goes on, and names who has the lock', async () => {
    const lock = await takeLock(layoutOf(server.app).lock, 'https://github.example/other/run', 0)
    try {
      const result = await run({ 'lock-timeout': '1s' })
      expectStatus(result, 'kept', 1)
      expect(result.summary).toContain('`locked`')
      expect(result.summary).toContain('https://github.example/other/run')
    } finally {
      await lock.release()
    }
    expectStatus(await run({ 'lock-timeout': '0' }), 'live', 0)
  }, 60_000)
})
