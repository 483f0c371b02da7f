import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { kinds } from '../support/kinds.ts'
import { type Checkout, checkOutProject, type Kind, pathsOf } from '../support/projects.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** Every kind takes a minute: GAPLESS_TEST_ALL=1 (npm run test:all); .ci/run deploys the first. */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop(), 60_000)

const get = (path: string) => fetch(server.url + path, { redirect: 'manual' })

/** As nginx passes it on that speaks TLS for the app's domain. */
async function getThroughTls(path: string): Promise<{ status: number | undefined; body: string }> {
  const headers = { host: 'example.com', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'example.com' }
  const [response] = (await once(http.get(server.url + path, { headers }), 'response')) as [
    http.IncomingMessage,
  ]
  return { status: response.statusCode, body: await text(response) }
}

function deploy(checkout: Checkout, inputs: Readonly<Record<string, string>> = {}): Promise<RunResult> {
  const { path, workingDirectory, env } = checkout
  return runAction({
    workspace: path,
    env,
    inputs: {
      ...server.inputs,
      'app-name': 'next-app',
      'working-directory': workingDirectory,
      'health-check-path': '/api/probe?from=the+check',
      instances: '1',
      observe: '500ms',
      ...inputs,
    },
  })
}

/** A page's own scripts and styles, as a browser would ask for them. */
const assetsOf = (html: string) => [
  ...new Set(
    [...html.matchAll(/"(\/[^"\\]*_next\/static\/[^"\\]+?\.(?:js|css))/g)].map(([, path = '']) => path),
  ),
]

thorough.each(kinds)('$name (Next.js $next, $bundler, $router Router, $packageManager)', (kind: Kind) => {
  const paths = pathsOf(kind)
  const { config = {}, native = false, extras = false, workspace = false } = kind
  let checkout: Checkout
  let run: RunResult

  beforeAll(async () => {
    checkout = await checkOutProject(kind)
    run = await deploy(checkout, { env: 'FROM_INPUT=input' })
  }, 400_000)
  afterAll(() => checkout?.remove())

  test('is installed, built and deployed', () => {
    const log = run.code === 0 ? '' : `${run.summary}\n${run.log}`
    expect({ ...run.outputs, code: run.code, log }).toMatchObject({ code: 0, log: '', status: 'live' })
    expect(run.summary).toContain(`Next.js ${kind.next}: `)
    if ('COREPACK_HOME' in checkout.env) expect(run.summary).toContain(': corepack ')
    expect(server.current()).toBe(run.outputs['release'])
  })

  test('serves its page with every script of it, through its own middleware', async () => {
    const response = await get(paths.page)
    const html = await response.text()
    expect({ status: response.status, passed: response.headers.get('x-passed') }).toEqual({
      status: 200,
      passed: kind.name,
    })
    expect(html).toContain(`page of ${kind.name}`)
    const assets = assetsOf(html)
    expect(assets.length).toBeGreaterThan(3)
    for (const asset of assets) {
      expect(asset).toMatch(new RegExp(`^${paths.assetPrefix}/_next/static/`))
      // Next.js 14 leaves a prefix to what stands in front: a CDN asks without it.
      const asked = kind.next.startsWith('14') ? asset.replace(paths.assetPrefix, paths.base) : asset
      expect([asset, (await get(asked)).status]).toEqual([asset, 200])
    }
    expect(await (await get(`${paths.base}/items/7`)).text()).toMatch(/item (<!-- -->)?7/)
  })

  test('serves what its middleware rewrites behind a proxy that speaks TLS', async () => {
    expect(await getThroughTls(`${paths.base}/rewritten`)).toEqual({
      status: 200,
      body: expect.stringMatching(/item (<!-- -->)?7/),
    })
  })

  test('serves public files and optimized images', async () => {
    expect(await (await get(paths.public)).text()).toBe(`hello from ${kind.name}\n`)
    const url = encodeURIComponent(`${paths.base}/picture.png`)
    const image = await get(`${paths.base}/_next/image?url=${url}&w=64&q=75`)
    expect({ status: image.status, type: image.headers.get('content-type') }).toEqual({
      status: 200,
      type: 'image/png',
    })
  })

  test('runs what it brought along: modules, files, hooks, environment', async () => {
    expect(await (await get(paths.api)).json()).toEqual({
      project: kind.name,
      greeting: workspace ? 'shared' : 'of its own',
      pid: expect.any(Number),
      native: native ? { bcrypt: true, sharp: 3 } : null,
      traced: extras ? 'traced' : null,
      instrumented: extras ? 'nodejs' : null,
      env: {
        FROM_ENV: extras ? 'env' : null,
        FROM_PRODUCTION: extras ? 'production' : null,
        FROM_LOCAL: null,
        FROM_INPUT: 'input',
      },
      builtIn: extras ? 'built-in' : null,
    })
  })

  test('left the build’s cache for the next one, and sent nothing of this machine alone', () => {
    expect(existsSync(join(checkout.app, config.distDir ?? '.next', 'cache'))).toBe(true)
    const secret = spawnSync('grep', ['-rl', 'secret-of-the-laptop', join(server.app, 'current/')])
    expect({ status: secret.status, files: secret.stdout.toString() }).toEqual({ status: 1, files: '' })
    if (!extras) return
    const env = join(server.app, 'current', checkout.workingDirectory)
    expect(readdirSync(env).filter((name) => name.startsWith('.env'))).toEqual(['.env', '.env.production'])
    expect(statSync(join(env, '.env')).mode & 0o777).toBe(0o600)
  })

  const withLanguages = 'i18n' in config ? test : test.skip
  withLanguages('answers in each of its languages', async () => {
    expect(await (await get('/')).text()).toContain('locale en')
    expect(await (await get('/de')).text()).toContain('locale de')
  })
})

thorough('a project that cannot be deployed', () => {
  test('a static export is built, and refused with the reason', async () => {
    const checkout = await checkOutProject({
      ...kinds[0]!,
      native: false,
      extras: false,
      config: { output: 'export' },
    })
    try {
      rmSync(join(checkout.app, 'src/app/api'), { recursive: true })
      rmSync(join(checkout.app, 'src/app/items'), { recursive: true })
      rmSync(join(checkout.app, 'src/proxy.js'))
      const run = await deploy(checkout)
      expect({ ...run.outputs, code: run.code }).toMatchObject({ code: 1, status: 'kept' })
      expect(run.summary).toContain('(`output-export`)')
    } finally {
      checkout.remove()
    }
  }, 200_000)

  test('an error in the app’s code is shown as Next.js tells it', async () => {
    const checkout = await checkOutProject({ ...kinds[0]!, native: false, extras: false })
    try {
      checkout.write('src/app/page.js', `import { nothing } from './nowhere'\nexport default nothing\n`)
      const run = await deploy(checkout)
      expect({ ...run.outputs, code: run.code }).toMatchObject({ code: 1, status: 'kept' })
      expect(run.summary).toContain('(`build-failed`)')
      expect(run.summary).toContain(`Module not found: Can't resolve './nowhere'`)
    } finally {
      checkout.remove()
    }
  }, 200_000)
})
