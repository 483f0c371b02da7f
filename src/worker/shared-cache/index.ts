/** `share-cache`: all workers of an app on a host know what one of them revalidated. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CacheSharing } from '../../protocol/messages.ts'
import type { Release } from '../release.ts'
import { takeOverCache, UnknownNext } from './next-cache.ts'
import { openRevalidationFile } from './revalidation-file.ts'

interface ServerFiles {
  readonly config?: {
    readonly cacheHandler?: unknown
    readonly cacheHandlers?: unknown
    readonly experimental?: {
      readonly cacheHandlers?: unknown
      readonly incrementalCacheHandlerPath?: unknown
    }
  }
}

/**
 * Makes the release's cache one with that of the other workers, before the release's server is loaded. It never fails:
 * whatever it meets, the app works as it would alone.
 *
 * @param tell told how it stands, now and whenever that changes
 */
export function shareCache(
  release: Release,
  candidate: boolean,
  tell: (sharing: CacheSharing) => void,
): void {
  const alone = (why: string, toLog = true) => {
    tell({ shared: false, why })
    if (toLog) console.error(`gapless: this worker keeps its cache to itself: ${why}`)
  }
  if (!release.runtime.shareCache) return alone('`share-cache` is off', false)
  const own = ownHandler(release)
  if (own !== null) return alone(`the app sets \`${own}\``)
  const revalidated = openRevalidationFile(join(release.appDirectory, '.gapless', 'revalidated'), {
    mayWrite: !candidate,
    onTrouble(problem) {
      if (problem !== null) return alone(`what was revalidated cannot be shared (${problem})`)
      tell({ shared: true, why: '' })
      console.error('gapless: this worker shares its cache again')
    },
  })
  try {
    takeOverCache({
      entry: release.entry,
      revalidated,
      handler: { created: release.created, built: release.built, previewModeId: previewModeIdOf(release) },
      onUnknown: (why) => alone(unknown(release, why)),
    })
    tell({ shared: true, why: '' })
    revalidated.look()
  } catch (error) {
    alone(unknown(release, error instanceof UnknownNext ? error.message : String(error)))
  }
}

function unknown({ nextVersion }: Release, why: string): string {
  return `${`Next.js ${nextVersion}`.trim()} keeps its cache in an unknown way: ${why}`
}

/** The setting with which the app brings a cache handler of its own, or null. */
function ownHandler({ distDirectory }: Release): string | null {
  const { config = {} } = readJson<ServerFiles>(join(distDirectory, 'required-server-files.json')) ?? {}
  const { cacheHandler, cacheHandlers, experimental = {} } = config
  if (typeof cacheHandler === 'string') return 'cacheHandler'
  if (typeof experimental.incrementalCacheHandlerPath === 'string')
    return 'experimental.incrementalCacheHandlerPath'
  // 16 lists its own names there, without a path.
  const named = [cacheHandlers, experimental.cacheHandlers].some((handlers) =>
    Object.values(handlers ?? {}).some((path) => typeof path === 'string'),
  )
  return named ? 'cacheHandlers' : null
}

function previewModeIdOf({ distDirectory }: Release): () => string | null {
  let id: string | null | undefined
  return () =>
    (id ??=
      readJson<{ preview?: { previewModeId?: string } }>(join(distDirectory, 'prerender-manifest.json'))
        ?.preview?.previewModeId ?? null)
}

function readJson<T>(file: string): T | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    return null
  }
}
