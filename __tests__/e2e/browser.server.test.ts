import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { Browser } from 'playwright-core'
import { startLoad } from '../support/load.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createVisitedApp, type VisitedApp } from '../support/visited-app.ts'
import type { NextVersion } from '../support/written-app.ts'
import { browse, openTabs, startBrowser, startReturning } from '../support/visitor.ts'

/**
 * A visitor who loaded a page before a deploy never notices it: a real browser, with something not yet asked for
 * in each of its tabs. It takes two minutes for each version of Next.js: GAPLESS_TEST_ALL=1 (npm run test:all).
 */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip

const versions: readonly NextVersion[] = [
  { next: '16.4.6', react: '19.3.1' },
  { next: '15.5.29', react: '19.3.1' },
  { next: '14.2.35', react: '18.3.1' },
]

/** Next.js 14 tells the console before it loads the page from the server instead. A visitor sees nothing of it. */
const asksForData = /^navigation[^:]*, Pages Router: console: Error: Failed to load static props/

/** Next.js names these small files after the build, whatever is in them. */
const ofBuildId = /\/_next\/static\/[^/]+\/_\w+Manifest\.js/

let browser: Browser
beforeAll(async () => {
  browser = await startBrowser()
}, 60_000)
afterAll(async () => {
  await browser?.close()
}, 30_000)

thorough.each(versions)('Next.js $next', (version) => {
  const expected = (trouble: string) => version.next.startsWith('14.') && asksForData.test(trouble)
  let server: TestServer
  let app: VisitedApp

  beforeAll(async () => {
    server = await startServer()
    app = createVisitedApp(version)
    app.setMessage('first')
    const run = await deploy({ 'install-command': 'npm install --no-audit --no-fund --no-package-lock' })
    const key = readFileSync(join(server.app, '.gapless/keys/server-actions'), 'utf8').trim()
    expect(run.masked).toContain(key)
    expect(run.log + run.summary).not.toContain(key)
  }, 300_000)
  afterAll(async () => {
    await server?.stop()
    app?.remove()
  }, 60_000)

  async function deploy(inputs: Readonly<Record<string, string>>): Promise<RunResult> {
    const run = await runAction({ workspace: app.path, inputs: { ...server.inputs, ...inputs } })
    expect({ log: run.code === 0 ? '' : run.log, status: run.outputs['status'] }).toEqual({
      log: '',
      status: 'live',
    })
    return run
  }

  /** Tabs on what is live; then `act` under load, while another visitor comes and goes; then the tabs go on. */
  async function acrossDeploy(old: string, fresh: string, act: () => Promise<unknown>): Promise<void> {
    const tabs = await openTabs(browser, server.url)
    const load = startLoad(server.url, { keepAlive: 4, fresh: 2 })
    const visits = browse(browser, server.url)
    try {
      await act()
    } finally {
      const [report, visited] = await Promise.all([load.stop(), visits.stop()])
      expect(report.failures).toEqual([])
      const { troubles, parts, files } = visited
      expect(troubles).toEqual([])
      expect(files).toBeGreaterThan(100)
      expect(Object.keys(parts).sort()).toEqual([`part of ${fresh}`, `part of ${old}`].sort())
    }
    const rendered = `rendered by ${fresh} with data of ${fresh}`
    expect(await tabs.finish()).toEqual({
      'lazy chunk': `part of ${old}`,
      'server action of a form half filled': `Hello Ada from ${fresh}`,
      'server action with a closure, and a redirect': `bound by ${old}, done by ${fresh}`,
      'server action without JavaScript': `bound by ${old}, done by ${fresh}`,
      navigation: `rendered by ${fresh}`,
      // Next.js keeps what it has fetched already: the old page, with the old release's chunks.
      'navigation to a prefetched page': `rendered by ${old}`,
      'image further down': expect.stringMatching(/^[1-9]\d* pixels wide$/),
      'lazy chunk, Pages Router': `part of ${old}`,
      'navigation, Pages Router': rendered,
      'navigation to a built page, Pages Router': rendered,
    })
    expect(tabs.troubles.filter((trouble) => !expected(trouble))).toEqual([])
    await tabs.close()
  }

  test('a visitor who comes back after a deploy of one page downloads only the chunks that changed', async () => {
    const paths = ['/', '/next', '/pages', '/pages-props']
    const visitor = await startReturning(browser, server.url)
    try {
      const before = await visitor.visit(paths)
      app.addToPage('<i>changed</i>')
      await deploy({ 'install-command': 'none' })
      const after = await visitor.visit(paths)
      const known = new Set(before.downloaded.values())
      const chunks = [...after.downloaded].filter(([name]) => !ofBuildId.test(name))
      expect(chunks.filter(([, content]) => known.has(content)).map(([name]) => name)).toEqual([])
      expect(chunks.some(([, content]) => content.includes('changed'))).toBe(true)
      expect(after.cached.size).toBeGreaterThan(chunks.length)
    } finally {
      await visitor.close()
    }
  }, 300_000)

  test('pages of the old release go on after a deploy', async () => {
    await acrossDeploy('first', 'second', () => {
      app.setMessage('second')
      return deploy({ 'install-command': 'none' })
    })
  }, 300_000)

  test('pages of the newer release go on after a rollback', async () => {
    await acrossDeploy('second', 'first', () => deploy({ command: 'rollback' }))
  }, 120_000)
})
