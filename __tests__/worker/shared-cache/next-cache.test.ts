import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { compile } from '../../support/compile.ts'
import { temporaryFolders } from '../../support/folder.ts'

/** Each case runs in a process of its own: what it changes is the process's. */
const root = temporaryFolders()()
const compiled = compile(join(root, 'compiled'))
let count = 0

const FOLDER = 'node_modules/next/dist/server/lib/incremental-cache'
const FILE_CACHE = `exports.default = class FileSystemCache {
  constructor({ fs }) { this.fs = fs }
  async get(key) {
    const html = await this.fs.readFile('/app' + key + '.html', 'utf8')
    const { mtime } = await this.fs.stat('/app' + key + '.html')
    return { lastModified: mtime.getTime(), value: { kind: 'APP_PAGE', html, headers: {} } }
  }
  async set() {}
}
`
const tagsOf = (version: 14 | 15.2 | 15.5 | 16): Readonly<Record<string, string>> => {
  const tags = {
    14: undefined,
    15.2: `exports.tagsManifest = { items: {} }; exports.isTagStale = () => false`,
    15.5: `const tagsManifest = exports.tagsManifest = new Map()
      exports.isStale = (tags, time) => tags.some((tag) => typeof tagsManifest.get(tag) === 'number' && tagsManifest.get(tag) >= time)`,
    16: `const tagsManifest = exports.tagsManifest = new Map()
      exports.areTagsExpired = (tags, time) => tags.some((tag) => {
        const expired = tagsManifest.get(tag)?.expired
        return typeof expired === 'number' && expired <= performance.timeOrigin + performance.now() && expired > time
      })
      exports.areTagsStale = (tags, time) => tags.some((tag) => (tagsManifest.get(tag)?.stale ?? 0) > time)`,
  }[version]
  return tags === undefined ? {} : { [`${FOLDER}/tags-manifest.external.js`]: tags }
}

/** Runs \`code\` in a worker of an app with this Next.js. @returns what it gave to \`say\` */
function inWorker(files: Readonly<Record<string, string>>, code: string): unknown {
  const app = join(root, String((count += 1)))
  for (const [file, text] of Object.entries({ 'server.js': '', ...files })) {
    mkdirSync(dirname(join(app, file)), { recursive: true })
    writeFileSync(join(app, file), text)
  }
  const script = `
    const { takeOverCache } = require(${JSON.stringify(join(compiled, 'worker/shared-cache/next-cache.js'))})
    const { openRevalidationFile } = require(${JSON.stringify(join(compiled, 'worker/shared-cache/revalidation-file.js'))})
    const need = require('node:module').createRequire(${JSON.stringify(join(app, 'server.js'))})
    const say = (value) => process.stdout.write(JSON.stringify(value))
    const file = () => openRevalidationFile(${JSON.stringify(join(app, '.gapless'))}, { mayWrite: true, onTrouble: (problem) => { throw new Error(problem) } })
    const revalidated = file()
    const other = file()
    const times = (tag) => (other.look(), other.known.timesOf(tag))
    const tell = (tag, times) => other.add(tag, { at: 0, stale: 0, until: 0, ...times })
    const unknown = []
    const takeOver = () => takeOverCache({
      entry: ${JSON.stringify(join(app, 'server.js'))}, revalidated,
      handler: { created: 0, built: null, previewModeId: () => null },
      onUnknown: (why) => unknown.push(why),
    })
    const tags = () => need('next/dist/server/lib/incremental-cache/tags-manifest.external.js')
    const turn = () => new Promise((resolve) => setTimeout(resolve, 2))
    const run = async () => {${code}}
    run().catch((error) => { console.error(error); process.exit(1) })`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

const withCache = (version: 14 | 15.2 | 15.5 | 16) => ({
  [`${FOLDER}/file-system-cache.js`]: FILE_CACHE,
  ...tagsOf(version),
})

describe('the tags of Next.js 16', () => {
  test('that another worker revalidated are expired here, and those that this one does are there', () => {
    const said = inWorker(
      withCache(16),
      `
      takeOver()
      const { tagsManifest, areTagsExpired } = tags()
      const made = Date.now() - 10
      const before = areTagsExpired(['news'], made)
      tell('news', { at: Date.now() })
      await turn()
      const after = areTagsExpired(['news'], made)
      tagsManifest.set('shop', { ...tagsManifest.get('shop'), expired: Date.now() })
      say({ before, after, later: areTagsExpired(['news'], Date.now() + 1), shop: times('shop').at > made })`,
    )
    expect(said).toEqual({ before: false, after: true, later: false, shop: true })
  })

  test('are stale first and expired later where they are revalidated with a profile', () => {
    const said = inWorker(
      withCache(16),
      `
      takeOver()
      const { tagsManifest, areTagsExpired, areTagsStale } = tags()
      const made = Date.now() - 10
      const now = Date.now()
      tagsManifest.set('news', { stale: now, expired: now + 60_000 })
      tell('shop', { stale: made + 5, until: made + 6 })
      await turn()
      const { at, stale, until } = times('news')
      say({ at, stale: stale - now, seconds: Math.round((until - now) / 1000),
        news: [areTagsStale(['news'], made), areTagsExpired(['news'], made)],
        shop: [areTagsStale(['shop'], made), areTagsExpired(['shop'], made)] })`,
    )
    expect(said).toEqual({
      at: 0,
      stale: expect.any(Number),
      seconds: 60,
      news: [true, false],
      shop: [true, true],
    })
  })

  test('expire at once where they are revalidated without a profile after they were with one', () => {
    const said = inWorker(
      withCache(16),
      `
      takeOver()
      const { tagsManifest, areTagsExpired } = tags()
      const made = Date.now() - 10
      tagsManifest.set('news', { stale: Date.now(), expired: Date.now() + 60_000 })
      await turn()
      tagsManifest.set('news', { ...tagsManifest.get('news'), expired: Date.now() })
      const first = areTagsExpired(['news'], made)
      await turn()
      tagsManifest.set('news', { ...tagsManifest.get('news'), stale: Date.now(), expired: Date.now() + 60_000 })
      say([first, areTagsExpired(['news'], made)])`,
    )
    expect(said).toEqual([true, true])
  })

  test('expire though another process has a clock that is ahead', () => {
    const said = inWorker(
      withCache(16),
      `
      takeOver()
      tell('news', { at: Date.now() + 500 })
      await turn()
      say(tags().areTagsExpired(['news'], Date.now() - 10))`,
    )
    expect(said).toBe(true)
  })
})

test('the tags of Next.js 15.5 are shared, a second time as well', () => {
  const said = inWorker(
    withCache(15.5),
    `
    takeOver()
    const { tagsManifest, isStale } = tags()
    const revalidate = () => { if (!tagsManifest.has('news')) tagsManifest.set('news', Date.now()) }
    revalidate()
    const first = times('news').at
    await turn()
    revalidate()
    tell('shop', { stale: Date.now() })
    await turn()
    say([times('news').at > first, isStale(['shop'], Date.now() - 10), isStale(['none'], 0)])`,
  )
  expect(said).toEqual([true, true, false])
})

test('the tags of Next.js 15.2 are shared', () => {
  const said = inWorker(
    withCache(15.2),
    `
    takeOver()
    const { tagsManifest } = tags()
    const data = tagsManifest.items.news || {}
    data.revalidatedAt = Date.now()
    tagsManifest.items.news = data
    tell('shop', { at: 5 })
    await turn()
    say([times('news').at > 0, tagsManifest.items.shop.revalidatedAt >= 5, tagsManifest.items.none ?? null])`,
  )
  expect(said).toEqual([true, true, null])
})

describe('the cache of pages', () => {
  const look = `
    const stat = { mtime: new Date(5) }
    const handler = new Handler({ fs: { readFile: async () => 'page', stat: async () => stat }, maxMemoryCacheSize: 1000 })
    say({ is: handler.constructor.name, unknown })`

  test('of 14 is replaced in its module', () => {
    const said = inWorker(
      withCache(14),
      `
      takeOver()
      const Handler = need('next/dist/server/lib/incremental-cache/file-system-cache.js').default
      ${look}`,
    )
    expect(said).toEqual({ is: 'SharedCacheHandler', unknown: [] })
  })

  test.each([15.2, 15.5, 16] as const)(
    'of %s is replaced where Next.js looks for it, and loaded no sooner',
    (version) => {
      const said = inWorker(
        withCache(version),
        `
      globalThis[Symbol.for('@next/cache-handlers')] = { Other: 1 }
      takeOver()
      const { FetchCache: Handler, Other } = globalThis[Symbol.for('@next/cache-handlers')]
      if (Other !== 1 || Object.keys(need.cache).some((file) => file.endsWith('file-system-cache.js'))) throw new Error('too soon')
      ${look}`,
      )
      expect(said).toEqual({ is: 'SharedCacheHandler', unknown: [] })
    },
  )

  test('of another shape is left as it is', () => {
    const files = {
      ...withCache(16),
      [`${FOLDER}/file-system-cache.js`]: 'exports.default = class Later { read() {} }',
    }
    const said = inWorker(
      files,
      `
      takeOver()
      const { FetchCache: Handler } = globalThis[Symbol.for('@next/cache-handlers')]
      ${look}`,
    )
    expect(said).toEqual({ is: 'Later', unknown: ['its cache has another shape'] })
  })
})

test.each([
  ['is not there', {}],
  ['has no class', { [`${FOLDER}/file-system-cache.js`]: 'exports.default = 5' }],
  [
    'keeps its tags in another way',
    { ...withCache(16), [`${FOLDER}/tags-manifest.external.js`]: 'exports.tagsManifest = new Set()' },
  ],
  [
    'asks for its tags in another way',
    {
      ...withCache(16),
      [`${FOLDER}/tags-manifest.external.js`]: 'exports.tagsManifest = new Map(); exports.ask = () => 1',
    },
  ],
])('a cache that %s is not taken over', (_, files: Readonly<Record<string, string>>) => {
  const said = inWorker(
    files,
    `
    try { takeOver(); say('taken') } catch (error) { say([error.constructor.name, Symbol.for('@next/cache-handlers') in globalThis]) }`,
  )
  expect(said).toEqual(['UnknownNext', false])
})
