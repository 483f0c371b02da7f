/**
 * The manifest: every entry of a release with its hash, as JSON lines sorted by the bytes of their paths. It is sent in
 * one brotli stream as differences from a release on the server: a folder without differences is one line.
 */
import { count, type Guard, type Guarded, matching, object, oneOf, parse, string } from './guards.ts'
import { failure } from '../common/errors/protocol.ts'
import type { Failure } from '../common/failure.ts'

const SHA256 = /^[0-9a-f]{64}$/

export const LAUNCHER = '.gapless/launcher.cjs'

const file = object({ kind: oneOf('file'), path: string, mode: count, size: count, hash: matching(SHA256) })
const link = object({ kind: oneOf('link'), path: string, target: string })
const directory = object({ kind: oneOf('directory'), path: string })

export type ManifestFile = Guarded<typeof file>
export type ManifestLink = Guarded<typeof link>
export type ManifestDirectory = Guarded<typeof directory>
export type ManifestEntry = ManifestFile | ManifestLink | ManifestDirectory

const kind = object({ kind: oneOf('file', 'link', 'directory') })
const kinds = { file, link, directory }
const anyEntry: Guard<ManifestEntry> = (value, place) => kinds[kind(value, place).kind](value, place)

const same = object({ kind: oneOf('same'), path: string })
export type ManifestSame = Guarded<typeof same>

/** The members of a line in this order: both sides hash the lines. */
const MEMBERS = ['kind', 'path', 'mode', 'size', 'hash', 'target']

export function formatEntry(entry: ManifestEntry | ManifestSame): string {
  return `${JSON.stringify(entry, MEMBERS)}\n`
}

/** What a line is, without parsing it: that takes most of the time where 50,000 lines are read for a few of them. */
export function isLinkLine(line: string): boolean {
  return line.startsWith('{"kind":"link"')
}

/** The hash in a file's line; undefined: it has none. Inside a path the quotes would be escaped. */
export function hashInLine(line: string): string | undefined {
  const at = line.indexOf(HASH)
  return at < 0 ? undefined : line.slice(at + HASH.length, at + HASH.length + 64)
}

const HASH = '"hash":"'

/** Parses a line of a manifest with differences. @throws Failure `malformed-message` or `unsafe-path` */
export function parseDifference(line: string): ManifestEntry | ManifestSame {
  if (!line.startsWith('{"kind":"same"')) return parseEntry(line)
  const entry = parse(same, line, 'manifest entry')
  // The root: there are no differences.
  if (entry.path !== '') assertSafePath(entry.path)
  return entry
}

/** Parses a line of a manifest that arrives. @throws Failure `malformed-message` or `unsafe-path` */
export function parseEntry(line: string): ManifestEntry {
  const entry = parseStored(line)
  if (entry.kind === 'link' && hasInnerUps(entry)) throw leavesRelease(entry)
  return entry
}

/** Parses a line of a manifest on the server's disk, from any version. @throws as parseEntry does */
export function parseStored(line: string): ManifestEntry {
  const entry = parse<ManifestEntry>(anyEntry, line, 'manifest entry')
  assertSafePath(entry.path)
  if (entry.kind === 'link') assertSafeLink(entry)
  return entry
}

/** Accepts a path inside the release only: relative and normalized, without `..`. */
function assertSafePath(path: string): void {
  const parts = path.split('/')
  if (
    path === '' ||
    path.includes('\0') ||
    parts.some((part) => part === '' || part === '.' || part === '..')
  ) {
    throw failure('unsafe-path', { path })
  }
}

/** Accepts a relative link that stays in the release: its target was verified with the release. */
function assertSafeLink(link: ManifestLink): void {
  const { path, target } = link
  let depth = path.split('/').length - 1
  const steps = target.split('/').map((part) => {
    if (part === '..') depth -= 1
    else if (part !== '' && part !== '.') depth += 1
    return depth
  })
  if (target === '' || target.startsWith('/') || target.includes('\0') || Math.min(...steps) < 0) {
    throw leavesRelease(link)
  }
}

/** After the name of another link, `..` leads up from that link's target. */
function hasInnerUps({ target }: ManifestLink): boolean {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.')
  return parts.slice(0, parts.lastIndexOf('..') + 1).some((part) => part !== '..')
}

function leavesRelease({ path, target }: ManifestLink): Failure {
  return failure('unsafe-path: link', { path, target })
}
