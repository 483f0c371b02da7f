import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { ask, type FakeRelease, makeRelease, startWorker, type Worker } from './fake-release.ts'

const folder = temporaryFolders()
let compiled: string
let worker: Worker | undefined

beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(async () => {
  worker?.child.kill('SIGKILL')
  await worker?.exit
})

function write(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
}

/** The app answers `hello` to everything, to be kept for ever: all else comes from another release. */
const SERVER = `require('node:http')
  .createServer((_, response) => response.setHeader('Cache-Control', 'immutable').end('hello'))
  .listen(Number(process.env.PORT), process.env.HOSTNAME)`

async function serving(
  staticPath: string | null = '.next/static',
  deployments: readonly [own: string, other: string] = ['', ''],
): Promise<FakeRelease> {
  const release = await makeRelease(folder(), compiled, { server: SERVER })
  const info = { id: release.id, entry: 'server.js', staticPath }
  write(release.directory, {
    '.gapless/release.json': JSON.stringify(info),
    '.next/static/chunks/own.js': 'own',
    '.next/static/fixed/_buildManifest.js': 'this build’s pages',
    '.next/static/media/fixed.png': 'this png',
    '.next/BUILD_ID': 'this-build',
    '.next/required-server-files.json': JSON.stringify({ config: { deploymentId: deployments[0] } }),
  })
  write(join(release.app, 'releases', '20260101000009'), {
    '.gapless/release.json': JSON.stringify({ ...info, staticPath: 'web/build/static' }),
    'web/build/static/chunks/own.js': 'own',
    'web/build/static/fixed/_buildManifest.js': 'the other’s pages',
    'web/build/static/media/fixed.png': 'that png',
    'web/build/BUILD_ID': 'that-build',
    'web/build/required-server-files.json': JSON.stringify({ config: { deploymentId: deployments[1] } }),
    'web/build/static/chunks/[id]/other.js': 'other',
    'web/build/static/media/p.png': 'png',
    'web/build/secret.txt': 'secret',
    'web/build/routes-manifest.json': JSON.stringify({
      headers: [
        {
          source: '/_next/static/:path*',
          regex: '^/_next/static(?:/((?:[^/]+?)(?:/(?:[^/]+?))*))?(?:/)?$',
          headers: [
            { key: 'X-Content-Type-Options', value: 'nosniff' },
            { key: 'Cache-Control', value: 'public, max-age=31536000, immutable' },
          ],
        },
      ],
    }),
  })
  write(join(release.app, 'releases', '20260101000010'), { '.gapless/release.json': '{ damaged' })
  worker = startWorker(release)
  await worker.ready
  return release
}

test('a file that only another release has comes from there, with that release’s headers and a short life', async () => {
  const { port } = await serving()
  const answer = await ask(port, '/_next/static/chunks/%5Bid%5D/other.js?dpl=1')
  expect(answer).toMatchObject({
    status: 200,
    body: 'other',
    headers: {
      'content-type': 'application/javascript; charset=UTF-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'public, max-age=0, must-revalidate',
      'content-length': '5',
    },
  })
  expect((await ask(port, '/docs/_next/static/media/p.png')).body).toBe('png')
})

test('a picture that only another release has comes as it is', async () => {
  const { port } = await serving()
  const url = encodeURIComponent('/_next/static/media/p.png?dpl=1')
  expect(await ask(port, `/_next/image?url=${url}&w=640&q=75`)).toMatchObject({
    status: 200,
    body: 'png',
    headers: { 'content-type': 'image/png' },
  })
})

test.each([
  ['the release’s own', '/_next/static/chunks/own.js'],
  ['nobody’s', '/_next/static/chunks/none.js'],
  ['outside the static folder', '/_next/static/../secret.txt'],
  ['outside it, encoded', '/_next/static/%2e%2e/secret.txt'],
  ['a folder', '/_next/static/chunks'],
  ['not decodable', '/_next/static/%zz'],
  ['longer than a name may be', `/_next/static/${'x'.repeat(300)}`],
  ['longer than a path may be', `/_next/static/${'x/'.repeat(3000)}x`],
  ['below a file', '/_next/static/chunks/own.js/'],
  ['below another’s file', '/_next/static/media/p.png/'],
  ['a picture with a name too long', `/_next/image?url=%2F_next%2Fstatic%2F${'x'.repeat(300)}&w=640&q=75`],
  ['a picture of the release', '/_next/image?url=%2F_next%2Fstatic%2Fchunks%2Fown.js&w=640&q=75'],
  ['a picture elsewhere', '/_next/image?url=https%3A%2F%2Fx.example%2F_next%2Fstatic%2Fmedia%2Fp.png'],
])('what is %s is the app’s to answer', async (_, path) => {
  const { port } = await serving()
  expect((await ask(port, path)).body).toBe('hello')
})

describe('a name that has another content in each release', () => {
  const path = '/_next/static/fixed/_buildManifest.js'
  const short = { 'cache-control': 'public, max-age=0, must-revalidate' }

  test('is answered by the release that the deployment id names', async () => {
    const { port } = await serving('.next/static', ['A', 'B'])
    expect(await ask(port, `${path}?dpl=B`)).toMatchObject({ body: 'the other’s pages', headers: short })
    const own = { body: 'hello', headers: { 'cache-control': 'immutable' } }
    expect(await ask(port, `${path}?dpl=A`)).toMatchObject(own)
    const image = (id: string) =>
      `/_next/image?url=${encodeURIComponent(`/_next/static/media/fixed.png?dpl=${id}`)}&w=640&q=75`
    expect((await ask(port, image('B'))).body).toBe('that png')
    expect((await ask(port, image('A'))).body).toBe('hello')
  })

  test.each([
    ['there is no deployment id', ['', ''], path],
    ['the deployment id is that of no release', ['A', 'B'], `${path}?dpl=C`],
    ['both releases have the same deployment id', ['A', 'A'], `${path}?dpl=A`],
  ] as const)('is not kept by caches where %s', async (_, deployments, url) => {
    const { port } = await serving('.next/static', deployments)
    expect(await ask(port, url)).toMatchObject({ body: 'hello', headers: short })
  })

  test('is seen when the other release comes while this one serves', async () => {
    const { app, port } = await serving()
    const url = '/_next/static/chunks/own.js'
    expect((await ask(port, url)).headers).toMatchObject({ 'cache-control': 'immutable' })
    write(join(app, 'releases', '20260101000011'), {
      '.gapless/release.json': JSON.stringify({ staticPath: 'static' }),
      'static/chunks/own.js': 'now',
    })
    const shortLived = async () => (await ask(port, url)).headers['cache-control'] === short['cache-control']
    await until('the worker notices', shortLived, 2000)
    expect(await ask(port, url)).toMatchObject({ body: 'hello', headers: short })
  })
})

describe('the data of a page', () => {
  test('is asked for by a page of another release, which has to load the page instead', async () => {
    const { port } = await serving()
    expect(await ask(port, '/docs/_next/data/that-build/en/a.json?b=1')).toMatchObject({
      status: 300,
      body: '',
      headers: { 'cache-control': 'no-store' },
    })
  })

  test.each([
    ['of this release', '/_next/data/this-build/a.json'],
    ['of nobody’s', '/_next/data/no-build/a.json'],
    ['in a query', '/a?b=/_next/data/that-build/a.json'],
  ])('is the app’s to answer where it is %s', async (_, path) => {
    const { port } = await serving()
    expect((await ask(port, path)).body).toBe('hello')
  })
})

test('a file that came after the boot is not the app’s: it would not find it', async () => {
  const release = await serving()
  write(release.directory, { '.next/static/media/p.png': 'carried later' })
  expect((await ask(release.port, '/_next/static/media/p.png')).body).toBe('png')
})

test('a release that does not tell where its files are leaves all to its app', async () => {
  const { port } = await serving(null)
  expect((await ask(port, '/_next/static/media/p.png')).body).toBe('hello')
})
