import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { type Balancer, startHaproxy } from '../support/balancer.ts'
import { type Fleet, type FleetHost, startFleet } from '../support/fleet.ts'
import { expectRun, type Inputs, messageAt, runOnFleet } from '../support/fleet-runs.ts'
import { startLoad } from '../support/load.ts'
import { mayMakeNamespaces } from '../support/namespace.ts'
import { startSplitProxy } from '../support/split-proxy.ts'
import { until } from '../support/until.ts'
import { createVisitedApp, type VisitedApp } from '../support/visited-app.ts'
import type { NextVersion } from '../support/written-app.ts'
import { browse, openTabs, startBrowser } from '../support/visitor.ts'

/**
 * docs/many-servers.md on pages of one release and hosts of another: a rollout that stands still between its hosts,
 * behind a balancer that gives each request to the next host. With GAPLESS_TEST_ALL=1 alone.
 */
const thorough = mayMakeNamespaces && process.env['GAPLESS_TEST_ALL'] === '1'
const rollout = thorough ? describe : describe.skip

const versions: readonly NextVersion[] = [
  { next: '16.4.6', react: '19.3.1' },
  { next: '15.5.29', react: '19.3.1' },
  { next: '14.2.35', react: '18.3.1' },
]

/** Next.js 14 tells the console before it loads the page from the server instead. A visitor sees nothing of it. */
const asksForData = /^navigation[^:]*, Pages Router: console: Error: Failed to load static props/

/** A host waits here, before its swap, for as long as its home has this file. */
const HOLD = 'hold'

let browser: Browser
beforeAll(async () => {
  if (thorough) browser = await startBrowser()
}, 60_000)
afterAll(async () => {
  await browser?.close()
}, 30_000)

rollout.each(versions)('between hosts of different releases, Next.js $next', (version) => {
  const expected = (trouble: string) => version.next.startsWith('14.') && asksForData.test(trouble)
  /**
   * With webpack, a page that prefetched a link from the other host took the modules of that host's release for its
   * own: its lazy chunk shows the other's text. With the prefetch sent to the page's own host it did not.
   */
  const mixesModules = !version.next.startsWith('16.')
  let fleet: Fleet
  let app: VisitedApp
  let balancer: Balancer

  const deploy = (inputs: Inputs = {}) =>
    runOnFleet(fleet, app, {
      'install-command': 'none',
      'build-command': '',
      'pre-activate': `while [ -e "$HOME/${HOLD}" ]; do sleep 0.1; done`,
      env: '',
      ...inputs,
    })
  const messages = () => Promise.all(fleet.hosts.map(({ url }) => messageAt(url)))

  beforeAll(async () => {
    fleet = await startFleet(3)
    app = createVisitedApp(version)
    app.setMessage('first')
    const install = 'npm install --no-audit --no-fund --no-package-lock'
    expectRun(await deploy({ 'install-command': install, batch: '100%' }), { status: 'live' })
    balancer = await startHaproxy(fleet.hosts.map(({ address, appPort }) => `${address}:${appPort}`))
  }, 400_000)
  afterAll(async () => {
    await balancer?.stop()
    await fleet?.stop()
    app?.remove()
  }, 60_000)

  test('every host has every chunk of both releases, and visitors of the balancer notice nothing', async () => {
    const [canary, held] = fleet.hosts as [FleetHost, FleetHost, FleetHost]
    const load = startLoad(balancer.url, { keepAlive: 2, fresh: 2 })
    const visits = browse(browser, balancer.url)
    const oldPage = await openPage({ pages: held, rest: canary })
    writeFileSync(join(held.home, HOLD), '')
    app.setMessage('second')
    app.write('app/later/page.jsx', 'export default () => <p>only in the second</p>')
    const running = deploy()
    try {
      await until('the canary is new', async () => (await messageAt(canary.url)) === 'second', 180_000)
      expect(await messages()).toEqual(['second', 'first', 'first'])

      expect(await chunksMissing({ of: canary, on: held })).toEqual([])
      expect(await chunksMissing({ of: held, on: canary })).toEqual([])

      expect(await Promise.all([canary, held].map(({ url }) => statusOf(`${url}/later`)))).toEqual([200, 404])

      const newPage = await openPage({ pages: canary, rest: held })
      expect(await oldPage.finish()).toEqual(whatIsSeen({ page: 'first', rest: 'second' }))
      expect(await newPage.finish()).toEqual({
        ...whatIsSeen({ page: 'second', rest: 'first' }),
        ...(mixesModules ? { 'lazy chunk': 'part of first' } : {}),
      })
      const troubles = [...oldPage.troubles, ...newPage.troubles]
      expect(troubles.filter((trouble) => !expected(trouble))).toEqual([])
    } finally {
      rmSync(join(held.home, HOLD))
      await running
      const [report, visited] = await Promise.all([load.stop(), visits.stop()])
      expect(report.failures).toEqual([])
      expect(visited.troubles).toEqual([])
      expect(visited.files).toBeGreaterThan(100)
    }
    expectRun(await running, { status: 'live' })
    expect(await messages()).toEqual(['second', 'second', 'second'])
  }, 400_000)

  test('a host that a deploy left out has none of its chunks', async () => {
    const [one, two, left] = fleet.hosts as [FleetHost, FleetHost, FleetHost]
    app.setMessage('third')
    expectRun(await deploy({ host: [one, two].map(({ address }) => address).join('\n') }), { status: 'live' })
    expect(await messages()).toEqual(['third', 'third', 'second'])
    expect(await chunksMissing({ of: left, on: one })).toEqual([])
    expect((await chunksMissing({ of: one, on: left })).length).toBeGreaterThan(0)
    expectRun(await deploy({ 'build-command': 'none' }), { status: 'live' })
    expect(await messages()).toEqual(['third', 'third', 'third'])
  }, 400_000)
})

const statusOf = async (url: string) => (await fetch(url)).status

/** Tabs whose pages come from one host, and all that the pages then ask for from another. */
async function openPage({ pages, rest }: Readonly<Record<'pages' | 'rest', FleetHost>>) {
  const proxy = await startSplitProxy({ pages: pages.url, rest: rest.url })
  const tabs = await openTabs(browser, proxy.url)
  return {
    troubles: tabs.troubles,
    async finish() {
      const seen = await tabs.finish()
      await tabs.close()
      await proxy.stop()
      expect(proxy.asked.rest).toBeGreaterThan(20)
      return seen
    },
  }
}

/** Every page loads to the end with its own release's files. Only what a server action does is the other release's. */
function whatIsSeen({ page, rest }: Readonly<Record<'page' | 'rest', string>>) {
  return {
    'lazy chunk': `part of ${page}`,
    'server action of a form half filled': `Hello Ada from ${rest}`,
    'server action with a closure, and a redirect': `bound by ${page}, done by ${rest}`,
    'server action without JavaScript': `bound by ${page}, done by ${page}`,
    navigation: `rendered by ${page}`,
    'navigation to a prefetched page': `rendered by ${page}`,
    'image further down': expect.stringMatching(/^[1-9]\d* pixels wide$/),
    'lazy chunk, Pages Router': `part of ${page}`,
    'navigation, Pages Router': `rendered by ${page} with data of ${page}`,
    'navigation to a built page, Pages Router': `rendered by ${page} with data of ${page}`,
  }
}

/** The static files of one host's current build that another does not answer for, or not with the same content. */
async function chunksMissing({ of, on }: { of: FleetHost; on: FleetHost }): Promise<readonly string[]> {
  const folder = join(of.app, 'current', '.next', 'static')
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    statSync(join(folder, name)).isFile(),
  )
  expect(names.length).toBeGreaterThan(10)
  const missing: string[] = []
  for (const name of names) {
    const path = `/_next/static/${name.split('/').map(encodeURIComponent).join('/')}`
    const [there, here] = await Promise.all([fetch(of.url + path), fetch(on.url + path)])
    expect([path, there.status]).toEqual([path, 200])
    if (here.status !== 200 || (await here.text()) !== (await there.text())) missing.push(path)
  }
  return missing
}
