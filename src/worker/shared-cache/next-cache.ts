/**
 * The ways into the cache of Next.js. What was revalidated it keeps in the memory of one process, in another shape in
 * each version:
 *
 * - 14: in a variable of `file-system-cache.js`, which nobody else reaches; its class can be replaced.
 * - 15.0 to 15.2: in `items` of an object that `tags-manifest.external.js` exports.
 * - 15.3 to 15.5, 16: in a Map of that module; its values are times in 15, and objects in 16.
 *
 * From 15 on `globalThis[Symbol.for('@next/cache-handlers')].FetchCache` is the class of the cache of pages and data.
 * Only modules without side effects are loaded here: Next.js has not prepared the process yet.
 */
import { createRequire } from 'node:module'
import {
  type CacheHandlerOptions,
  createCacheHandler,
  type HandlerContext,
  type NextCacheClass,
  revalidate,
} from './cache-handler.ts'
import type { RevalidationFile } from './revalidation-file.ts'

const FOLDER = 'next/dist/server/lib/incremental-cache'
const HANDLERS = Symbol.for('@next/cache-handlers')

/** As the cache of Next.js could not be shared. */
export class UnknownNext extends Error {}

export interface Ways {
  readonly entry: string
  readonly revalidated: RevalidationFile
  readonly handler: Omit<CacheHandlerOptions, 'NextCache' | 'revalidated' | 'knowsStale'>
  /** What was found out only when Next.js used its cache for the first time. */
  readonly onUnknown: (why: string) => void
}

/** Takes the cache over, before the release's server is loaded. @throws UnknownNext */
export function takeOverCache(ways: Ways): void {
  const require = createRequire(ways.entry)
  const find = (name: string) => {
    try {
      return require.resolve(`${FOLDER}/${name}`)
    } catch {
      return null
    }
  }
  const [cacheFile, tagsFile] = [find('file-system-cache.js'), find('tags-manifest.external.js')]
  if (cacheFile === null) throw new UnknownNext(`it has no ${FOLDER}/file-system-cache.js`)
  if (tagsFile === null) {
    const NextCache = classIn(require(cacheFile))
    const module = require.cache[cacheFile]
    if (module === undefined) throw new UnknownNext('its cache cannot be replaced')
    module.exports = { __esModule: true, default: handlerOf(NextCache, ways, false) }
    return
  }
  const knowsStale = shareTags(require(tagsFile), ways.revalidated)
  let Handler: (new (context: HandlerContext) => object) | undefined
  const load = () => {
    try {
      return handlerOf(classIn(require(cacheFile)), ways, knowsStale)
    } catch (error) {
      if (!(error instanceof UnknownNext)) throw error
      ways.onUnknown(error.message)
      return (require(cacheFile) as { default: new (context: HandlerContext) => object }).default
    }
  }
  const handlers = globalThis as { [HANDLERS]?: Record<string, unknown> }
  handlers[HANDLERS] = {
    ...handlers[HANDLERS],
    /** Loads its modules only when Next.js has loaded its own. */
    FetchCache: function (context: HandlerContext) {
      Handler ??= load()
      return new Handler(context)
    },
  }
}

function handlerOf(NextCache: NextCacheClass, { revalidated, handler }: Ways, knowsStale: boolean) {
  return createCacheHandler({ ...handler, NextCache, revalidated, knowsStale })
}

function classIn(exports: unknown): NextCacheClass {
  const found = (exports as { default?: unknown } | null)?.default
  const { get, set } = ((found as { prototype?: unknown } | undefined)?.prototype ?? {}) as Record<
    string,
    unknown
  >
  if (typeof found !== 'function' || typeof get !== 'function' || typeof set !== 'function')
    throw new UnknownNext('its cache has another shape')
  return found as NextCacheClass
}

/** @returns whether this version shows what is stale once more */
function shareTags(exports: unknown, revalidated: RevalidationFile): boolean {
  const { tagsManifest, areTagsStale, areTagsExpired, isStale } = exports as Readonly<Record<string, unknown>>
  if (tagsManifest instanceof Map) {
    if (typeof areTagsStale === 'function' && typeof areTagsExpired === 'function') {
      shareMap(tagsManifest as Map<string, Times16>, revalidated, times16(revalidated), set16(revalidated))
      return true
    }
    if (typeof isStale === 'function') {
      const add = (tag: string) => revalidate(revalidated, tag)
      shareMap(tagsManifest as Map<string, number>, revalidated, time15(revalidated), add)
      return false
    }
  }
  const items = (tagsManifest as { items?: unknown } | null | undefined)?.items
  if (typeof items !== 'object' || items === null)
    throw new UnknownNext('its list of revalidated tags has another shape')
  ;(tagsManifest as { items: unknown }).items = sharedItems(revalidated)
  return false
}

function shareMap<T>(
  map: Map<string, T>,
  revalidated: RevalidationFile,
  read: (tag: string) => T | undefined,
  write: (tag: string, value: T) => void,
): void {
  map.get = (tag) => {
    revalidated.look()
    return read(tag)
  }
  // 15.3 to 15.5 keep the first time of a tag for ever where they find one.
  map.has = () => false
  map.set = (tag, value) => {
    write(tag, value)
    return map
  }
}

interface Times16 {
  readonly stale?: number
  readonly expired?: number
}

/** By how much this process's monotonic clock, which 16 asks, is ahead of the wall clock, which was set back; in ms. */
function ahead(): number {
  return Math.max(0, performance.timeOrigin + performance.now() - Date.now() - 1)
}

function times16({ known }: RevalidationFile) {
  return (tag: string): Times16 | undefined => {
    const { at, stale, until } = known.timesOf(tag)
    if (at === 0 && stale === 0) return undefined
    const [shift, now] = [ahead(), performance.timeOrigin + performance.now()]
    const hasEnded = until > 0 && until <= now
    // A time that lies ahead of its clock would be one at which the tag is still to expire.
    const expired = hasEnded ? Math.max(until, at) : at > 0 ? Math.min(at + shift, now) : until
    return { ...(stale > 0 ? { stale: stale + shift } : {}), ...(expired > 0 ? { expired } : {}) }
  }
}

function set16(revalidated: RevalidationFile) {
  return (tag: string, { stale, expired }: Times16): void => {
    revalidated.look()
    const now = performance.timeOrigin + performance.now()
    const isStale = stale !== undefined && stale > revalidated.known.timesOf(tag).stale + ahead()
    if (!isStale || (expired !== undefined && expired <= now)) return revalidate(revalidated, tag)
    revalidate(revalidated, tag, expired === undefined ? {} : { expire: (expired - stale) / 1000 })
  }
}

function time15({ known }: RevalidationFile) {
  return (tag: string): number | undefined => {
    const { at, stale } = known.timesOf(tag)
    const time = Math.max(at, stale)
    return time === 0 ? undefined : time + ahead()
  }
}

/** As 15.0 to 15.2 have them. */
function sharedItems(revalidated: RevalidationFile): object {
  const read = time15(revalidated)
  return new Proxy<Record<string, unknown>>(
    {},
    {
      get(_, tag) {
        if (typeof tag !== 'string') return undefined
        revalidated.look()
        const revalidatedAt = read(tag)
        return revalidatedAt === undefined ? undefined : { revalidatedAt }
      },
      set(_, tag) {
        if (typeof tag === 'string') revalidate(revalidated, tag)
        return true
      },
    },
  )
}
