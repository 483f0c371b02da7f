/**
 * The manifest: every entry of a release with the proof of its content. It travels as JSON lines inside one
 * brotli stream, so that neither side ever holds more of it than its own table.
 */
import { count, type Guarded, matching, object, oneOf, parse, string } from './guards.ts'
import { Failure } from './failure.ts'

const SHA256 = /^[0-9a-f]{64}$/

const file = object({ kind: oneOf('file'), path: string, mode: count, size: count, hash: matching(SHA256) })
const link = object({ kind: oneOf('link'), path: string, target: string })
const directory = object({ kind: oneOf('directory'), path: string })

export type ManifestFile = Guarded<typeof file>
export type ManifestLink = Guarded<typeof link>
export type ManifestDirectory = Guarded<typeof directory>
export type ManifestEntry = ManifestFile | ManifestLink | ManifestDirectory

export function formatEntry(entry: ManifestEntry): string {
  return `${JSON.stringify(entry)}\n`
}

/** @throws Failure `malformed-message` or `unsafe-path` */
export function parseEntry(line: string): ManifestEntry {
  const { kind } = parse(object({ kind: oneOf('file', 'link', 'directory') }), line, 'manifest entry')
  const entry = parse<ManifestEntry>({ file, link, directory }[kind], line, 'manifest entry')
  assertSafePath(entry.path)
  if (entry.kind === 'link') assertSafeLink(entry)
  return entry
}

/** A path inside the release and nowhere else: relative, normalized, no control of the parent. */
function assertSafePath(path: string): void {
  const parts = path.split('/')
  if (
    path === '' ||
    path.includes('\0') ||
    parts.some((part) => part === '' || part === '.' || part === '..')
  ) {
    throw new Failure('unsafe-path', `the manifest names a path outside the release: ${JSON.stringify(path)}`)
  }
}

/** A link must be relative and stay in the release: what it points at is part of what was verified. */
function assertSafeLink({ path, target }: ManifestLink): void {
  let depth = path.split('/').length - 1
  let lowest = depth
  for (const part of target.split('/')) {
    if (part === '..') depth -= 1
    else if (part !== '' && part !== '.') depth += 1
    lowest = Math.min(lowest, depth)
  }
  if (target === '' || target.startsWith('/') || target.includes('\0') || lowest < 0) {
    throw new Failure(
      'unsafe-path',
      `the link ${JSON.stringify(path)} leaves the release: ${JSON.stringify(target)}`,
    )
  }
}

/**
 * Paths that a running Next.js may write, relative to the folder of server.js's distDir: ISR pages (Next 14
 * overwrites them in place), the route cache (15, 16) and the data cache. They are copied between releases,
 * never linked, and may differ from the manifest later.
 */
const WRITABLE = /(^|\/)(cache|server\/(app|pages|route-cache))\//
const CODE = /\.(js|mjs|cjs|map|nft\.json)$|(^|\/)node_modules\//

export function isWritableAtRunTime(path: string): boolean {
  return WRITABLE.test(path) && !CODE.test(path)
}
