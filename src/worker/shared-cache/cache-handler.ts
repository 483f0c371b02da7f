/**
 * Next.js's own cache of pages and data, so that all workers of a release agree: files as Next.js writes them, a copy in
 * memory that counts as long as its file is the one that it was read from, and revalidations that all workers know.
 */
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { type EntryFile, isSame, markOf, type NextFs, readingFs, writingFs } from './entry-files.ts'
import { Memory, sizeOf } from './memory.ts'
import type { RevalidationFile } from './revalidation-file.ts'
import { pageTag } from './revalidations.ts'

/** What Next.js keeps; `kind` is FETCH for data, and else that of a page or a route. */
interface Cached {
  readonly lastModified: number
  readonly value: {
    readonly kind: string
    readonly headers?: Readonly<Record<string, unknown>>
  } | null
}

interface GetContext {
  readonly tags?: readonly string[]
  readonly softTags?: readonly string[]
}

export interface HandlerContext {
  readonly fs: NextFs
  readonly maxMemoryCacheSize?: number
  readonly _requestHeaders?: Readonly<Record<string, unknown>>
}

/** Next.js's `FileSystemCache` (14 to 16). */
export interface NextCache {
  get(key: string, context?: GetContext): Promise<Cached | null>
  set(key: string, value: Cached['value'], context: Readonly<Record<string, unknown>>): Promise<void>
}
export type NextCacheClass = new (context: HandlerContext) => NextCache

export interface CacheHandlerOptions {
  readonly NextCache: NextCacheClass
  readonly revalidated: RevalidationFile
  /** When the release was complete on the server, and when its build began, in ms of the server's clock. */
  readonly created: number
  readonly built: number | null
  /** Whether this version shows what is `stale` once more. */
  readonly knowsStale: boolean
  /** By which a request of `res.revalidate` is known; null: unknown. */
  readonly previewModeId: () => string | null
}

interface Entry {
  readonly cached: Cached
  /** Of a page or a route; null: data, whose tags come with the question. */
  readonly tags: readonly string[] | null
  /** The name under which `res.revalidate` tells of it. */
  readonly page: string
  /** Null where memory alone has it. */
  file: EntryFile | null
  /** Its file is being written. */
  writing: boolean
  /** When it was looked whether its file is still the same. */
  checked: number
}

type Age = 'fresh' | 'stale' | 'expired'

/** How often it is looked whether another worker has rendered an entry anew that is not old, in ms. */
const CHECK = 20
/** A rendering that takes longer is not known by when it began, in ms. */
const LONGEST_RENDERING = 60_000
const DATA = join('/', 'cache', 'fetch-cache', '/')
const TAGS = 'x-next-cache-tags'
const REVALIDATE = 'x-prerender-revalidate'

/** @returns the class of which Next.js makes one for each request */
export function createCacheHandler({
  NextCache,
  revalidated,
  created,
  built,
  knowsStale,
  previewModeId,
}: CacheHandlerOptions) {
  const { known } = revalidated
  let memory: Memory<Entry> | undefined

  /**
   * What the build rendered is as old as the build, whatever time the upload gave to its file. Data never come from the
   * build: an older release has written them where the app shares its `.next/cache`.
   */
  function timeOf(path: string, { mtimeMs }: Pick<Stats, 'mtimeMs'>): number {
    const isBuilt = mtimeMs <= created && !path.includes(DATA)
    return isBuilt && built !== null ? Math.min(built, created) : Math.floor(mtimeMs + 0.05)
  }

  /** What was revalidated since an entry was made makes it expired, or stale: to be shown once more. */
  function ageOf({ cached, tags, page }: Entry, context: GetContext | undefined): Age {
    const { lastModified } = cached
    if (known.isAhead(lastModified) || known.timesOf(page).at > lastModified) return 'expired'
    let age: Age = 'fresh'
    const look = (all: readonly string[]) => {
      for (const tag of all) {
        const { at, stale, until } = known.timesOf(tag)
        if (at >= lastModified) return (age = 'expired')
        if (stale < lastModified) continue
        if (!knowsStale || (until > 0 && until <= Date.now())) return (age = 'expired')
        age = 'stale'
      }
      return age
    }
    if (tags !== null) return look(tags)
    if (context?.tags !== undefined && look(context.tags) === 'expired') return age
    return context?.softTags === undefined ? age : look(context.softTags)
  }

  function isCurrent({ file, writing }: Entry): boolean {
    return writing || file === null || isSame(markOf(file.path), file.mark)
  }

  return class SharedCacheHandler {
    readonly #context: HandlerContext
    readonly #memory: Memory<Entry>
    /** When this request asked for an entry. */
    #asked: Map<string, number> | undefined

    constructor(context: HandlerContext) {
      this.#context = context
      this.#memory = memory ??= new Memory(context.maxMemoryCacheSize ?? 0)
    }

    async get(key: string, context?: GetContext): Promise<Cached | null> {
      revalidated.look()
      this.#begin(key)
      let entry = this.#memory.get(key)
      if (entry === undefined || !this.#mayUse(key, entry, context)) entry = await this.#load(key, context)
      return entry === undefined || ageOf(entry, context) === 'expired' ? null : entry.cached
    }

    /** Another worker may have rendered it since: at once where it is old, and now and then where it is not. */
    #mayUse(key: string, entry: Entry, context: GetContext | undefined): boolean {
      const now = performance.now()
      if (now - entry.checked < CHECK && ageOf(entry, context) === 'fresh') return true
      entry.checked = now
      this.#memory.touch(key)
      return isCurrent(entry)
    }

    async #load(key: string, context: GetContext | undefined): Promise<Entry | undefined> {
      const { fs, main } = readingFs(this.#context.fs, timeOf)
      const cached = await this.#next(fs).get(key, context)
      const newer = this.#memory.get(key)
      if (newer?.writing === true) return newer
      if (cached === null) {
        this.#memory.delete(key)
        return undefined
      }
      const entry = newEntry(key, cached, main())
      this.#memory.set(key, entry, sizeOf(cached.value))
      return entry
    }

    async set(
      key: string,
      value: Cached['value'],
      context: Readonly<Record<string, unknown>> = {},
    ): Promise<void> {
      const begun = this.#begunAt(key)
      const cached = { value, lastModified: begun, cacheControl: context['cacheControl'] }
      const entry = newEntry(key, cached, null)
      entry.writing = true
      this.#memory.set(key, entry, sizeOf(value))
      const { fs, publish, discard } = writingFs(this.#context.fs)
      try {
        await this.#next(fs).set(key, value, context)
        entry.file = publish(begun)
      } catch (error) {
        discard()
        throw error
      } finally {
        entry.writing = false
        if (this.#isAskedFor()) revalidated.add(pageTag(pathOf(key)), { at: begun, stale: 0, until: 0 })
      }
    }

    async revalidateTag(tags: string | readonly string[], durations?: { expire?: number }): Promise<void> {
      for (const tag of [tags].flat()) revalidate(revalidated, tag, durations)
    }

    resetRequestCache(): void {}

    #begin(key: string): void {
      const now = known.now()
      const asked = (this.#asked ??= new Map())
      const before = asked.get(key)
      if (before === undefined || now - before > LONGEST_RENDERING) asked.set(key, now)
    }

    /** When the rendering that has ended began: what was revalidated since is not in it. */
    #begunAt(key: string): number {
      const now = known.now()
      const asked = this.#asked?.get(key) ?? now
      this.#asked?.delete(key)
      return now - asked > LONGEST_RENDERING ? now : asked
    }

    /** By `res.revalidate`: Next.js asks itself for the page. */
    #isAskedFor(): boolean {
      const id = this.#context._requestHeaders?.[REVALIDATE]
      return typeof id === 'string' && id === previewModeId()
    }

    #next(fs: NextFs): NextCache {
      return new NextCache({ ...this.#context, fs, maxMemoryCacheSize: 0 })
    }
  }
}

function newEntry(key: string, cached: Cached, file: EntryFile | null): Entry {
  const page = pageTag(pathOf(key))
  return { cached, tags: tagsOf(cached.value), page, file, writing: false, checked: performance.now() }
}

function tagsOf(value: Cached['value']): readonly string[] | null {
  if (value?.kind === 'FETCH') return null
  const tags = value?.headers?.[TAGS]
  return typeof tags === 'string' ? tags.split(',') : []
}

/** Next.js 15.5 and 16.4 put the route before the path: `/route-cache/PAGES/<hash>/$/old`. */
function pathOf(key: string): string {
  const marker = key.indexOf('/$/')
  return key.startsWith('/route-cache/') && marker >= 0 ? key.slice(marker + 2) : key
}

/** @param durations of Next.js 16: what is old may be shown while it is made again, until `expire` seconds later */
export function revalidate(
  revalidated: RevalidationFile,
  tag: string,
  durations?: { readonly expire?: number },
): void {
  revalidated.look()
  const now = revalidated.known.now()
  if (durations === undefined || durations.expire === 0) revalidated.add(tag, { at: now, stale: 0, until: 0 })
  else {
    const until = durations.expire === undefined ? 0 : now + durations.expire * 1000
    revalidated.add(tag, { at: 0, stale: now, until })
  }
}
