import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { startFleet } from '../support/fleet.ts'
import { messageAt, runOnFleet, underLoad } from '../support/fleet-runs.ts'
import { mayMakeNamespaces } from '../support/namespace.ts'
import { freePort } from '../support/port.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** A release that waits, and goes live later. */
const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? test : test.skip

let server: TestServer
let first: Workspace
let second: Workspace

beforeAll(async () => {
  first = await buildOfExample('first')
  second = await buildOfExample('second')
  server = await startServer()
}, 240_000)
afterAll(async () => {
  await server?.stop()
  for (const workspace of [first, second]) workspace?.remove()
}, 60_000)

const run = (
  command: string,
  inputs: Readonly<Record<string, string>> = {},
  workspace: Pick<Workspace, 'path'> = second,
) =>
  runAction({
    workspace: workspace.path,
    inputs: {
      ...server.inputs,
      'install-command': 'none',
      'build-command': 'none',
      instances: '1',
      observe: '200ms',
      command,
      ...inputs,
    },
  })

function expectRun({ code, outputs, log }: RunResult, expected: Readonly<Record<string, unknown>>): void {
  const fits = outputs['status'] === expected['status']
  expect({ code, ...outputs, log: fits ? '' : log }).toMatchObject({
    code: ['live', 'staged'].includes(String(expected['status'])) ? 0 : 1,
    log: '',
    ...expected,
  })
}

const releases = () => readdirSync(join(server.app, 'releases')).sort()
const message = () => messageAt(server.url)
/** Of a run that was refused. */
const refusal = async (inputs: Readonly<Record<string, string>> = {}) => {
  const result = await run('promote', inputs)
  expectRun(result, { status: 'kept' })
  return /\(`([a-z-]+)`\)/.exec(result.summary)?.[1] ?? result.summary
}

test('a staged release waits beside the live one, and is promoted without a build or an upload', async () => {
  expectRun(await run('deploy', {}, first), { status: 'live' })
  const live = server.current()!
  const pids = (await server.pm2List()).map(({ pid }) => pid)

  const staged = await run('stage', { 'pre-activate': 'touch migrated' })
  const id = staged.outputs['release']!
  expectRun(staged, { status: 'staged', 'live-release': live, 'previous-release': live })
  expect(staged.summary).toContain(`${id} is verified and staged. ${live} is still live.`)
  expect(server.current()).toBe(live)
  expect((await server.pm2List()).map(({ pid }) => pid)).toEqual(pids)
  expect(existsSync(join(server.app, 'releases', id, 'migrated'))).toBe(false)

  const seen = await run('status')
  expect(seen.log).toContain(`release ${id}: staged`)

  const promoted = await underLoad([server.url], { keepAlive: 2, busy: 1, fresh: 1, post: 1 }, () =>
    run('promote', { 'pre-activate': 'touch migrated', 'app-name': 'next-app' }, { path: server.home }),
  )
  expectRun(promoted, { status: 'live', release: id, 'previous-release': live, 'uploaded-bytes': '0' })
  expect(await message()).toBe('second')
  expect(existsSync(join(server.app, 'releases', id, 'migrated'))).toBe(true)
  expect(promoted.summary).not.toMatch(/^\| (build|upload) \|/m)
  expect(await refusal()).toBe('nothing-staged')
}, 90_000)

describe('promote', () => {
  thorough(
    'refuses what is older than the current release, whether it is there or not',
    async () => {
      const { outputs } = await run('stage')
      const old = outputs['release']!
      expectRun(await run('deploy', {}, first), { status: 'live' })
      expect(releases()).not.toContain(old)
      expect(await refusal()).toBe('nothing-staged')
      expect(await refusal({ release: old })).toBe('staged-outdated')
      expect(await message()).toBe('first')
    },
    90_000,
  )

  thorough(
    'takes the newest, or the one that is named, and says what is staged',
    async () => {
      const [one, two] = [await run('stage'), await run('stage', {}, first)].map(
        ({ outputs }) => outputs['release']!,
      )
      expect(await refusal({ release: '20990101000000' })).toBe('not-staged')
      const dry = await run('promote', { 'dry-run': 'true' })
      expect({ code: dry.code, ...dry.outputs }).toMatchObject({ code: 0, status: 'kept', release: two })
      expectRun(await run('promote', { release: one! }), { status: 'live', release: one })
      expect(await message()).toBe('second')
      expectRun(await run('promote'), { status: 'live', release: two, 'previous-release': one })
      expect(await message()).toBe('first')
    },
    120_000,
  )

  thorough(
    'brings up an app that has never been live',
    async () => {
      const fresh = { path: 'apps/fresh', 'app-name': 'fresh', 'app-port': String(await freePort()) }
      const { outputs } = await run('stage', fresh)
      expect(outputs).toMatchObject({ status: 'staged', 'live-release': '' })
      expectRun(await run('promote', fresh), { status: 'live', release: outputs['release'] })
      expect(await messageAt(`http://127.0.0.1:${fresh['app-port']}`)).toBe('second')
    },
    60_000,
  )

  thorough(
    'refuses a release of which a file was changed or removed',
    async () => {
      const { outputs } = await run('stage')
      const file = join(server.app, 'releases', outputs['release']!, 'server.js')
      rmSync(file)
      expect(await refusal()).toBe('release-damaged')
      expectRun(await run('stage'), { status: 'staged' })
    },
    90_000,
  )

  thorough(
    'that fails before the swap leaves the release staged, after it not',
    async () => {
      const before = server.current()
      const failing = await run('promote', { 'pre-activate': 'exit 1' })
      expectRun(failing, { status: 'kept', 'live-release': before })
      const after = await run('promote', { 'post-activate': 'exit 1' })
      expectRun(after, { status: 'restored', 'live-release': before, release: failing.outputs['release'] })
      expect(releases()).not.toContain(after.outputs['release'])
    },
    90_000,
  )
})

describe('a staged release', () => {
  thorough(
    'is no target of a rollback, and outlives deploys that keep few',
    async () => {
      expectRun(await run('deploy', {}, first), { status: 'live' })
      const [current, previous] = [server.current()!, releases().at(-2)!]
      const { outputs } = await run('stage', { 'keep-releases': '1' })
      const back = await run('rollback', { 'keep-releases': '1' })
      expectRun(back, { status: 'live', 'previous-release': current })
      expect(back.outputs['release']).not.toBe(outputs['release'])
      expect(releases()).toContain(outputs['release'])
      expectRun(await run('promote'), { status: 'live', release: outputs['release'] })
      expect(previous).not.toBe(outputs['release'])
    },
    90_000,
  )

  thorough(
    'that does not boot, or whose test fails, is none',
    async () => {
      const before = releases()
      const broken = sabotage(second.copyBuilt(), `throw new Error('boom')`)
      try {
        expectRun(await run('stage', {}, broken), { status: 'kept' })
        expectRun(await run('stage', { 'test-command': 'exit 1' }), { status: 'kept' })
        expect(releases()).toEqual(before)
      } finally {
        broken.remove()
      }
    },
    90_000,
  )
})

const withHosts = mayMakeNamespaces && all ? test : test.skip
withHosts(
  'on three hosts it is staged on all or refused, and goes live on all',
  async () => {
    const fleet = await startFleet(3)
    try {
      expect((await runOnFleet(fleet, first)).code).toBe(0)
      const staged = await runOnFleet(fleet, second, { command: 'stage' })
      expect(staged.outputs).toMatchObject({ status: 'staged' })
      const mark = join(
        fleet.hosts[1]!.app,
        'releases',
        staged.outputs['release']!,
        '.gapless',
        'staged.json',
      )
      rmSync(mark)
      const partly = await runOnFleet(fleet, second, { command: 'promote' })
      expect(partly.outputs).toMatchObject({ status: 'kept' })
      expect(partly.summary).toContain('staged-partly')
      expect(partly.summary).toContain(`but not on ${fleet.hosts[1]!.address}`)
      const again = await runOnFleet(fleet, second, { command: 'stage' })
      const promoted = await runOnFleet(fleet, second, { command: 'promote' })
      expect(promoted.outputs).toMatchObject({ status: 'live', release: again.outputs['release'] })
      const messages = await Promise.all(fleet.hosts.map(({ url }) => messageAt(url)))
      expect(messages).toEqual(['second', 'second', 'second'])
    } finally {
      await fleet.stop()
    }
  },
  300_000,
)
