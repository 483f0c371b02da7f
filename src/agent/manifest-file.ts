/** A release's manifest on disk, one entry a line. */
import { createReadStream } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileHasher } from '../content/hash-file.ts'
import { Failure } from '../protocol/failure.ts'
import { isWritableAtRunTime, type ManifestEntry, parseEntry } from '../protocol/manifest.ts'
import { readLines } from './manifest-lines.ts'

/** @throws Failure `malformed-message`, or `unsafe-path` also for an entry below a link: it would be elsewhere */
export async function* readManifest(file: string): AsyncGenerator<ManifestEntry, void, undefined> {
  const input = createReadStream(file)
  const links = new Set<string>()
  try {
    for await (const line of readLines(input as AsyncIterable<Buffer>)) {
      const entry = parseEntry(line)
      assertNotBelow(links, entry.path)
      if (entry.kind === 'link') links.add(entry.path)
      yield entry
    }
  } finally {
    input.destroy()
  }
}

function assertNotBelow(links: ReadonlySet<string>, path: string): void {
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
    if (!links.has(path.slice(0, end))) continue
    throw new Failure('unsafe-path', `the manifest names a path below a link: ${JSON.stringify(path)}`)
  }
}

/**
 * Proves a release against its manifest. Files that a running Next.js may write must be there; all others
 * must have the bytes that arrived.
 * @param distDir as of `isWritableAtRunTime`
 * @param shared paths in the release that were replaced by links to what outlasts releases
 * @throws Failure `release-damaged` naming the first path that does not match
 */
export async function auditRelease(
  directory: string,
  manifest: string,
  distDir: string | null,
  shared: readonly string[],
): Promise<{ files: number; bytes: number }> {
  const hashFile = fileHasher()
  let files = 0
  let bytes = 0
  const damaged = (path: string, what: string) =>
    new Failure('release-damaged', `the release in ${directory} is damaged: ${path} ${what}`, {
      remedy: 'It cannot go live as it is. Deploy its commit again, or choose another release.',
    })
  try {
    for await (const entry of readManifest(manifest)) {
      if (shared.some((path) => entry.path === path || entry.path.startsWith(`${path}/`))) continue
      const path = join(directory, entry.path)
      const stat = await lstat(path).catch(() => null)
      if (stat === null) throw damaged(entry.path, 'is missing')
      if (entry.kind === 'link') {
        if (!stat.isSymbolicLink() || (await readlink(path)) !== entry.target)
          throw damaged(entry.path, 'was changed')
      } else if (entry.kind === 'file') {
        if (!isWritableAtRunTime(entry.path, distDir)) {
          if (
            !stat.isFile() ||
            stat.size !== entry.size ||
            (await hashFile(path, entry.size)) !== entry.hash
          ) {
            throw damaged(entry.path, 'was changed')
          }
        }
        files += 1
        bytes += entry.size
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw damaged('its manifest', 'is missing')
    throw error
  }
  return { files, bytes }
}
