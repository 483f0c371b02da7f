import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { cached, type CachedApp, createCachedApp } from '../support/cached-app.ts'
import { type Fleet, type FleetHost, startFleet } from '../support/fleet.ts'
import { expectRun, type Inputs, runOnFleet } from '../support/fleet-runs.ts'
import { mayMakeNamespaces } from '../support/namespace.ts'
import { hasRedis, type Redis, startRedis } from '../support/redis.ts'
import { until } from '../support/until.ts'

/**
 * The shared cache of docs/many-servers.md: two hosts, one Redis. It takes two minutes for each version of Next.js:
 * GAPLESS_TEST_ALL=1 (npm run test:all).
 */
const thorough = mayMakeNamespaces && hasRedis && process.env['GAPLESS_TEST_ALL'] === '1'
const shared = thorough ? describe : describe.skip

const versions = [
  { next: '16.4.6', react: '19.3.1' },
  { next: '15.5.29', react: '19.3.1' },
]
const kinds = Object.entries(cached)

let fleet: Fleet
let redis: Redis

beforeAll(async () => {
  if (!thorough) return
  fleet = await startFleet(2)
  redis = await startRedis(fleet.hosts[0]!.network.gateway)
}, 60_000)
afterAll(async () => {
  await fleet?.stop()
  await redis?.stop()
}, 60_000)

shared.each(versions)('Next.js $next: with one Redis for two hosts', (version) => {
  let app: CachedApp
  beforeAll(async () => {
    app = createCachedApp(version)
    await deploy('first', { 'install-command': 'npm install --no-audit --no-fund --no-package-lock' })
  }, 240_000)
  afterAll(() => app?.remove())

  async function deploy(message: string, inputs: Inputs = {}): Promise<void> {
    app.setMessage(message)
    await run({ 'build-command': '', ...inputs })
  }
  async function run(inputs: Inputs): Promise<void> {
    const env = { env: `REDIS_URL=${redis.url}`, batch: '100%' }
    expectRun(await runOnFleet(fleet, app, { ...env, ...inputs }), { status: 'live' })
  }
  /** What both hosts show, once they show the same. */
  const agreed = async (path: string, accept: (shown: string) => boolean = () => true) => {
    const shown = await until(`both hosts show the same of ${path}`, async () => {
      const [one, two] = [await show(fleet.hosts[0]!, path), await show(fleet.hosts[1]!, path)]
      return one === two && accept(one) && one
    })
    return shown
  }
  const all = async () =>
    Object.fromEntries(await Promise.all(kinds.map(async ([kind, { path }]) => [kind, await agreed(path)])))
  const messageOf = (shown: string) => shown.split(' ')[0]
  const messages = (shown: Readonly<Record<string, string>>) => new Set(Object.values(shown).map(messageOf))

  test.each(kinds)(
    'a revalidation of %s on one host is one on the other',
    async (_, { path, revalidate }) => {
      const before = await agreed(path)
      // It is kept: the same is shown by each again.
      expect(await agreed(path)).toBe(before)
      for (const host of fleet.hosts) {
        const shown = await agreed(path)
        await ask(host, revalidate)
        await agreed(path, (now) => now !== shown)
      }
    },
  )

  test('a release shows nothing of another, and a rollback nothing that was revalidated since', async () => {
    const first = await all()
    expect(messages(first)).toEqual(new Set(['first']))
    await deploy('second')
    const second = await all()
    expect(messages(second)).toEqual(new Set(['second']))
    await ask(fleet.hosts[1]!, cached['a page with a tag'].revalidate)
    await agreed('/news', (now) => now !== second['a page with a tag'])
    await run({ command: 'rollback' })
    const back = await all()
    const { 'a page with a tag': tagged, ...others } = back
    expect(first).toMatchObject(others)
    expect(tagged).not.toBe(first['a page with a tag'])
    expect(messages(back)).toEqual(new Set(['first']))
  }, 240_000)

  test('where Redis does not answer the app does, and a revalidation is made up for', async () => {
    const { path, revalidate } = cached['a page with a tag']
    const before = await all()
    redis.freeze()
    try {
      for (const host of fleet.hosts) expect(messageOf(await show(host, path))).toBe('first')
      await ask(fleet.hosts[0]!, revalidate)
    } finally {
      redis.thaw()
    }
    await agreed(path, (now) => now !== before['a page with a tag'])
    const { 'a page with a tag': _, ...others } = await all()
    expect(before).toMatchObject(others)
  }, 60_000)

  test('where Redis is gone the app answers, and workers that start do', async () => {
    await redis.stop()
    for (const host of fleet.hosts)
      for (const [, { path, revalidate }] of kinds) {
        expect(messageOf(await show(host, path))).toBe('first')
        await ask(host, revalidate)
      }
    await deploy('third')
    for (const host of fleet.hosts)
      for (const [, { path }] of kinds) expect(messageOf(await show(host, path))).toBe('third')
    redis = await startRedis(fleet.hosts[0]!.network.gateway)
    expect(messages(await all())).toEqual(new Set(['third']))
  }, 240_000)
})

/** What a host shows: the release's message, and the name of the rendering. */
async function show(host: FleetHost, path: string): Promise<string> {
  const shown = /\[(\w+ [0-9a-f-]{36})\]/.exec(await ask(host, path))?.[1]
  if (shown === undefined) throw new Error(`${path} shows no rendering`)
  return shown
}

async function ask({ url }: FleetHost, path: string): Promise<string> {
  const answer = await fetch(url + path, { signal: AbortSignal.timeout(5000) })
  const text = await answer.text()
  expect({ path, status: answer.status, text: answer.ok ? '' : text }).toEqual({
    path,
    status: 200,
    text: '',
  })
  return text
}
