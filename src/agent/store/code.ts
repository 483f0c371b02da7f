/**
 * Which files of a release are code: a build writes them, and servers only read them. Releases share the inodes
 * of code. The app may write to any other file, so each release has its own copy.
 */
import { posix } from 'node:path'
import { LAUNCHER } from '../../protocol/manifest.ts'
import type { ReleaseInfo } from '../../protocol/messages.ts'

/** Packages, but neither the ones in `public` nor the folder where packages keep caches. */
const PACKAGES = /^(?:(?!public\/)[^/]+\/)*?node_modules\/(?!\.cache\/)/
/** Below `distDir`: the data cache, ISR pages (Next.js 14 overwrites them in place), the route cache (15, 16). */
const WRITTEN_BY_NEXT = ['cache', 'server/app', 'server/pages', 'server/route-cache']
const COMPILED = /^server\/(app|pages)\/.*\.(js|mjs|cjs|map|nft\.json)$/

/** @param distDir of Next.js, relative to the release */
export function isCode(path: string, distDir: string): boolean {
  if (path === LAUNCHER || PACKAGES.test(path)) return true
  if (!path.startsWith(`${distDir}/`)) return isEntry(path, distDir)
  const inDist = path.slice(distDir.length + 1)
  return !WRITTEN_BY_NEXT.some((folder) => inDist.startsWith(`${folder}/`)) || COMPILED.test(inDist)
}

/** The app's server.js is beside or above `distDir`. */
function isEntry(path: string, distDir: string): boolean {
  const folder = /^(.*\/)?server\.js$/.exec(path)
  return folder !== null && distDir.startsWith(folder[1] ?? '')
}

/** Whether Next.js itself writes the file at run time: pages and data that it can render and fetch again. */
export function isCacheOfNext(path: string, distDir: string): boolean {
  return path.startsWith(`${distDir}/`) && !isCode(path, distDir)
}

/** The folders of which `isCacheOfNext` is true, relative to the release. */
export function cacheFolders(distDir: string): readonly string[] {
  return WRITTEN_BY_NEXT.map((folder) => `${distDir}/${folder}`)
}

/** Each release has its own launcher: a damaged one is replaced by another release's. */
export function mayBeShared(path: string, distDir: string): boolean {
  return path !== LAUNCHER && isCode(path, distDir)
}

/** Releases of the first versions do not record it. */
export function distDirOf({ distDir, staticPath, entry }: ReleaseInfo): string {
  if (distDir !== null) return distDir
  return staticPath === null ? posix.join(posix.dirname(entry), '.next') : posix.dirname(staticPath)
}
