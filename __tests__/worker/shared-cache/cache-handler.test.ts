import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from '@jest/globals'
import {
  type CacheHandlerOptions,
  createCacheHandler,
  type HandlerContext,
  type NextCache,
  revalidate,
} from '../../../src/worker/shared-cache/cache-handler.ts'
import type { NextFs } from '../../../src/worker/shared-cache/entry-files.ts'
import { openRevalidationFile } from '../../../src/worker/shared-cache/revalidation-file.ts'
import { pageTag, Revalidations } from '../../../src/worker/shared-cache/revalidations.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

const root = temporaryFolders()()
let release = ''
let count = 0
/** What the next write waits for. */
let held: Promise<void> | undefined
beforeEach(() => {
  release = join(root, String((count += 1)))
  held = undefined
})

const baseFs = {
  readFile: (path: string, encoding: BufferEncoding | null = null) => readFile(path, encoding),
  writeFile: async (path: string, data: string | Buffer) => {
    await writeFile(path, data)
  },
  stat,
  existsSync,
} as unknown as NextFs

/** As Next.js's own: a page is its HTML and what the browser asks for when it goes there. */
class FakeCache implements NextCache {
  readonly #fs: NextFs
  constructor({ fs }: HandlerContext) {
    this.#fs = fs
  }
  async get(key: string) {
    try {
      const html = String(await this.#fs.readFile(`${release}${key}.html`, 'utf8'))
      const { mtime } = await this.#fs.stat(`${release}${key}.html`)
      const { headers } = JSON.parse(String(await this.#fs.readFile(`${release}${key}.meta`, 'utf8'))) as {
        headers: Record<string, string>
      }
      const rsc = String(await this.#fs.readFile(`${release}${key}.rsc`, 'utf8'))
      return { lastModified: mtime.getTime(), value: { kind: 'APP_PAGE', html, rsc, headers } }
    } catch {
      return null
    }
  }
  async set(key: string, value: Page | null) {
    if (value === null) return
    await mkdir(dirname(`${release}${key}`), { recursive: true })
    await this.#fs.writeFile(`${release}${key}.html`, value.html)
    await held
    await this.#fs.writeFile(`${release}${key}.rsc`, value.rsc)
    await this.#fs.writeFile(`${release}${key}.meta`, JSON.stringify({ headers: value.headers }))
  }
}

interface Page {
  readonly kind: string
  readonly html: string
  readonly rsc: string
  readonly headers: Readonly<Record<string, string>>
}

const page = (text: string, tags = ''): Page => ({
  kind: 'APP_PAGE',
  html: text,
  rsc: text,
  headers: { 'x-next-cache-tags': tags },
})

interface WorkerOptions extends Partial<CacheHandlerOptions> {
  readonly clock?: () => number
  readonly headers?: Readonly<Record<string, string>>
}

function startWorker({ clock = Date.now, headers = {}, ...options }: WorkerOptions = {}) {
  const revalidated = openRevalidationFile(join(release, '.gapless'), {
    mayWrite: true,
    onTrouble: () => undefined,
    known: new Revalidations(clock),
  })
  const Handler = createCacheHandler({
    NextCache: FakeCache,
    revalidated,
    created: 0,
    built: null,
    knowsStale: true,
    previewModeId: () => 'secret',
    ...options,
  })
  const handler = (more = headers) =>
    new Handler({ fs: baseFs, maxMemoryCacheSize: 50 * 1024 * 1024, _requestHeaders: more })
  return {
    revalidated,
    set: (key: string, value: Page | null, more = headers) => handler(more).set(key, value),
    /** A request for something that has to be rendered. @returns what ends the rendering */
    async begin(key: string) {
      const request = handler()
      await request.get(key)
      return (value: Page) => request.set(key, value)
    },
    /** After the time in which a worker may not notice that another one has rendered a page that was not old. */
    async shows(key: string) {
      await delay(21)
      return this.showsAtOnce(key)
    },
    async showsAtOnce(key: string) {
      await laterOn()
      const found = await handler().get(key)
      const { html, rsc } = (found?.value ?? {}) as Partial<Page>
      expect(rsc).toBe(html)
      return html
    },
    age: async (key: string) => (await handler().get(key))?.lastModified,
    revalidate: (tag: string, durations?: { expire?: number }) => revalidate(revalidated, tag, durations),
  }
}

const filesOf = (folder: string) =>
  readdirSync(folder)
    .filter((name) => name !== '.gapless')
    .sort()

/** As long as Next.js takes at the least until it looks into its cache. */
const laterOn = async () => {
  const now = performance.now()
  while (performance.now() - now < 0.06) await Promise.resolve()
}

const nextMillisecond = async () => {
  const now = Date.now()
  await until('a millisecond has passed', () => Date.now() > now)
}

test('a page that one worker renders is the page of all', async () => {
  const [one, two] = [startWorker(), startWorker()]
  expect(await one.shows('/page')).toBeUndefined()
  await one.set('/page', page('first'))
  expect([await one.shows('/page'), await two.shows('/page')]).toEqual(['first', 'first'])
  await nextMillisecond()
  await two.set('/page', page('second'))
  expect([await one.shows('/page'), await two.shows('/page')]).toEqual(['second', 'second'])
  expect(await one.age('/page')).toBe(await two.age('/page'))
})

test('a worker that knows a page to be old takes at once what another worker rendered', async () => {
  const [one, two] = [startWorker(), startWorker()]
  await one.set('/page', page('first', 'news'))
  expect(await two.showsAtOnce('/page')).toBe('first')
  one.revalidate('news', { expire: 60 })
  await nextMillisecond()
  await one.set('/page', page('second', 'news'))
  expect(await two.showsAtOnce('/page')).toBe('second')
})

test('a copy in memory is used without the files being read', async () => {
  let reads = 0
  const Counting = class extends FakeCache {
    override get(key: string) {
      reads += 1
      return super.get(key)
    }
  }
  const worker = startWorker({ NextCache: Counting })
  await worker.set('/page', page('first'))
  for (let times = 0; times < 10; times += 1) expect(await worker.shows('/page')).toBe('first')
  expect(reads).toBe(0)
})

test('no worker sees half of an entry, or a file that is no part of it', async () => {
  const [one, two] = [startWorker(), startWorker()]
  await one.set('/page', page('first'))
  expect(await two.shows('/page')).toBe('first')
  await nextMillisecond()
  let go = () => {}
  held = new Promise((resolve) => (go = resolve))
  const writing = one.set('/page', page('second'))
  await until('the first part is written', () => readdirSync(release).some((name) => name.endsWith('.tmp')))
  expect([await one.shows('/page'), await two.shows('/page')]).toEqual(['second', 'first'])
  go()
  await writing
  expect([await one.shows('/page'), await two.shows('/page')]).toEqual(['second', 'second'])
  expect(filesOf(release)).toEqual(['page.html', 'page.meta', 'page.rsc'])
})

test('a rendering that began earlier does not replace one that began later', async () => {
  const [slow, fast] = [startWorker(), startWorker()]
  const endSlow = await slow.begin('/page')
  await nextMillisecond()
  const endFast = await fast.begin('/page')
  await endFast(page('new data'))
  await endSlow(page('old data'))
  expect([await slow.shows('/page'), await fast.shows('/page')]).toEqual(['new data', 'new data'])
})

test('a rendering that was under way when its tag was revalidated is shown to nobody', async () => {
  const [one, two] = [startWorker(), startWorker()]
  const end = await one.begin('/page')
  await nextMillisecond()
  two.revalidate('news')
  await nextMillisecond()
  expect(await one.shows('/page')).toBeUndefined()
  await end(page('old data', 'news'))
  expect([await one.shows('/page'), await two.shows('/page')]).toEqual([undefined, undefined])
})

describe('a revalidated tag', () => {
  test('is known to all workers, and to one that starts later', async () => {
    const [one, two] = [startWorker(), startWorker()]
    await one.set('/page', page('first', 'shop,news'))
    await one.set('/other', page('other', 'shop'))
    expect(await two.showsAtOnce('/page')).toBe('first')
    one.revalidate('news')
    for (const worker of [one, two, startWorker()]) {
      expect(await worker.showsAtOnce('/page')).toBeUndefined()
      expect(await worker.showsAtOnce('/other')).toBe('other')
    }
    await nextMillisecond()
    await startWorker().set('/page', page('second', 'shop,news'))
    for (const worker of [one, two]) expect(await worker.showsAtOnce('/page')).toBe('second')
  })

  test('that may be shown once more is, until its time has come', async () => {
    let now = Date.now()
    const options = { clock: () => now }
    const [one, two] = [startWorker(options), startWorker(options)]
    await one.set('/page', page('first', 'news'))
    now += 10
    two.revalidate('news', { expire: 60 })
    expect(await one.showsAtOnce('/page')).toBe('first')
    expect(await startWorker({ ...options, knowsStale: false }).showsAtOnce('/page')).toBeUndefined()
    const passed = startWorker(options)
    passed.revalidated.add('news', { at: 0, stale: now, until: 1 })
    expect(await one.showsAtOnce('/page')).toBeUndefined()
  })

  test('is no other tag', async () => {
    const worker = startWorker()
    await worker.set('/page', page('first', 'news,__proto__'))
    for (const tag of ['new', 'news,__proto__', '', 'constructor', '\0/page/']) worker.revalidate(tag)
    expect(await worker.showsAtOnce('/page')).toBe('first')
  })
})

describe('a page that res.revalidate renders', () => {
  const asked = { 'x-prerender-revalidate': 'secret' }

  test('is expired for a release that has an older one', async () => {
    const [one, two] = [startWorker(), startWorker()]
    await one.set('/route-cache/PAGES/0a1b/$/old', page('first'))
    const old = release
    release = join(root, String((count += 1)))
    const later = startWorker({ revalidated: two.revalidated })
    await nextMillisecond()
    await later.set('/route-cache/PAGES/ffff/$/old', page('second'), asked)
    expect(await later.showsAtOnce('/route-cache/PAGES/ffff/$/old')).toBe('second')
    release = old
    expect(await one.showsAtOnce('/route-cache/PAGES/0a1b/$/old')).toBeUndefined()
    expect(await two.showsAtOnce('/route-cache/PAGES/0a1b/$/old')).toBeUndefined()
  })

  test('is expired for others where it is gone', async () => {
    const [one, two] = [startWorker(), startWorker()]
    await one.set('/old', page('first'))
    expect(await two.showsAtOnce('/old')).toBe('first')
    await nextMillisecond()
    await one.set('/old', null, asked)
    expect(await two.showsAtOnce('/old')).toBeUndefined()
  })

  test('is not one that a stranger asks for', async () => {
    const worker = startWorker()
    await worker.set('/old', page('first'), { 'x-prerender-revalidate': 'guessed' })
    expect(worker.revalidated.known.timesOf(pageTag('/old')).at).toBe(0)
  })
})

describe('what the build rendered', () => {
  const HOUR = 3_600_000
  const created = Date.now() - HOUR
  async function deliver(uploaded: number) {
    await new FakeCache({ fs: baseFs }).set('/page', page('built', 'news'))
    for (const end of ['html', 'rsc', 'meta'])
      utimesSync(`${release}/page.${end}`, uploaded / 1000, uploaded / 1000)
  }

  test('is older than a revalidation after its build began, though its files arrived later', async () => {
    await deliver(created - 1000)
    const worker = startWorker({ created, built: created - HOUR })
    expect(await worker.shows('/page')).toBe('built')
    expect(await worker.age('/page')).toBe(created - HOUR)
    worker.revalidated.add('news', { at: created - HOUR / 2, stale: 0, until: 0 })
    expect(await worker.shows('/page')).toBeUndefined()
  })

  test('is younger than a revalidation before its build began, though its file is of an older upload', async () => {
    await deliver(created - 20 * HOUR)
    const worker = startWorker({ created, built: created - HOUR })
    worker.revalidated.add('news', { at: created - 2 * HOUR, stale: 0, until: 0 })
    expect(await worker.shows('/page')).toBe('built')
  })

  test('is no data, which an older release may have left in a shared folder', async () => {
    const shared = release
    release = join(shared, 'cache', 'fetch-cache')
    await deliver(created - 3 * HOUR)
    const worker = startWorker({ created, built: created - HOUR })
    worker.revalidated.add('news', { at: created - 2 * HOUR, stale: 0, until: 0 })
    expect(await worker.shows('/page')).toBeUndefined()
  })

  test('has the time of its file where the release does not tell', async () => {
    await deliver(created - HOUR)
    expect(await startWorker({ created }).age('/page')).toBe(created - HOUR)
  })
})

describe('a clock that is set back', () => {
  test('brings no revalidated page back', async () => {
    let now = Date.now()
    const clock = () => now
    const worker = startWorker({ clock })
    worker.revalidate('shop')
    now += 1000
    await worker.set('/page', page('first', 'news'))
    const other = startWorker({ clock })
    expect(await other.showsAtOnce('/page')).toBe('first')
    worker.revalidate('shop')
    now -= 60_000
    other.revalidate('news')
    expect([await worker.showsAtOnce('/page'), await other.showsAtOnce('/page')]).toEqual([
      undefined,
      undefined,
    ])
    await other.set('/page', page('second', 'news'))
    expect([await worker.showsAtOnce('/page'), await other.showsAtOnce('/page')]).toEqual([
      'second',
      'second',
    ])
  })

  test('by years lets pages be rendered again', async () => {
    const worker = startWorker()
    await worker.set('/page', page('first'))
    utimesSync(`${release}/page.html`, 4_000_000_000, 4_000_000_000)
    expect(await worker.shows('/page')).toBeUndefined()
    await worker.set('/page', page('second'))
    expect(statSync(`${release}/page.html`).mtimeMs).toBeLessThan(Date.now() + 10)
    expect(await worker.showsAtOnce('/page')).toBe('second')
  })
})

test('where nothing can be written, a worker shows what it rendered itself', async () => {
  const Full = class extends FakeCache {
    override async set(key: string, value: Page | null) {
      await super.set(key, value)
      throw new Error('ENOSPC')
    }
  }
  const worker = startWorker({ NextCache: Full })
  await expect(worker.set('/page', page('first'))).rejects.toThrow('ENOSPC')
  expect(await worker.shows('/page')).toBe('first')
  expect(filesOf(release)).toEqual([])
})

test('a page whose name is as long as the file system allows is shared', async () => {
  const [one, two] = [startWorker(), startWorker()]
  const key = `/${'x'.repeat(250)}`
  await one.set(key, page('first'))
  expect(await two.shows(key)).toBe('first')
})

test('a file that is gone is rendered again', async () => {
  const worker = startWorker()
  await worker.set('/page', page('first'))
  rmSync(`${release}/page.html`)
  expect(await worker.shows('/page')).toBeUndefined()
})

test('a page that the build rendered gives way to what another worker renders in its place', async () => {
  const Seeded = class extends FakeCache {
    readonly #fs: NextFs
    constructor(context: HandlerContext) {
      super(context)
      this.#fs = context.fs
    }
    override get(key: string) {
      return super.get(this.#fs.existsSync(`${release}${key}.html`) ? key : '/seed')
    }
  }
  await startWorker().set('/seed', page('built'))
  const [one, two] = [startWorker({ NextCache: Seeded }), startWorker({ NextCache: Seeded })]
  expect([await one.shows('/page'), await two.shows('/page')]).toEqual(['built', 'built'])
  await nextMillisecond()
  await one.set('/page', page('second'))
  expect([await one.shows('/page'), await two.shows('/page')]).toEqual(['second', 'second'])
})

test('what Next.js copies when it first reads an entry replaces nothing', async () => {
  const worker = startWorker()
  await worker.set('/page', page('newer'))
  const Copying = class extends FakeCache {
    readonly #fs: NextFs & { writeFileAtomic?: NextFs['writeFile'] }
    constructor(context: HandlerContext) {
      super(context)
      this.#fs = context.fs
    }
    override async get(key: string) {
      const found = await super.get(key)
      await this.#fs.writeFile(`${release}${key}.rsc`, 'seed')
      await this.#fs.writeFileAtomic?.(`${release}${key}.html`, 'seed')
      await this.#fs.writeFileAtomic?.(`${release}${key}.copy`, 'seed')
      return found
    }
  }
  expect(await startWorker({ NextCache: Copying }).shows('/page')).toBe('newer')
  expect(readFileSync(`${release}/page.rsc`, 'utf8')).toBe('newer')
  expect(readFileSync(`${release}/page.copy`, 'utf8')).toBe('seed')
  expect(await worker.shows('/page')).toBe('newer')
})

test('memory keeps what was wanted last', async () => {
  const worker = startWorker()
  for (let index = 0; index < 20; index += 1) await worker.set(`/page-${index}`, page('x'.repeat(4_000_000)))
  for (const end of ['html', 'rsc', 'meta']) rmSync(`${release}/page-0.${end}`)
  expect(await worker.shows('/page-0')).toBeUndefined()
  expect((await worker.shows('/page-19'))?.length).toBe(4_000_000)
})
