/**
 * An upload names only its differences from a release on the server, its base. The agent first sends the base's
 * outline, short hashes of its folders; the runner leaves out the same folders, and the agent fills them in.
 */
import { isBelow, isOutlined, shortHash, subtreeHasher } from '../../protocol/subtrees.ts'
import { failure } from '../../common/errors/upload.ts'
import type { Failure } from '../../common/failure.ts'
import { type ManifestEntry, parseDifference } from '../../protocol/manifest.ts'
import type { Result } from '../../protocol/messages.ts'
import { filesOf, type Layout } from '../store/layout.ts'
import { readManifest } from '../store/manifest-file.ts'
import { readLines } from '../store/manifest-lines.ts'
import { releaseIds } from '../store/releases.ts'

/**
 * Returns the outline of the newest release with a readable manifest.
 * @param others apps whose releases do as well, where the app itself has none
 */
export async function outline(layout: Layout, ...others: readonly Layout[]): Promise<Result<'outline'>> {
  for (const base of [...(await releaseIds(layout))].reverse()) {
    try {
      const hashes: Buffer[] = []
      const hasher = subtreeHasher((subtree) => {
        if (isOutlined(subtree)) hashes.push(shortHash(subtree))
      })
      for await (const entry of readManifest(filesOf(layout, base).manifest)) hasher.add(entry)
      hasher.end()
      if (hashes.length > 0) return { base, folders: Buffer.concat(hashes).toString('base64') }
    } catch {
      // A damaged release is no base.
    }
  }
  const [other, ...more] = others
  return other === undefined ? { base: null, folders: '' } : outline(other, ...more)
}

/** An entry of the whole manifest, and whether the upload named it or the base had it. */
export interface Filled {
  readonly entry: ManifestEntry
  readonly named: boolean
}

/** @throws Failure `base-changed` when the base lacks what the upload leaves out */
export async function* fillIn(
  layout: Layout,
  base: string | null,
  difference: AsyncIterable<Buffer>,
): AsyncGenerator<Filled, void, undefined> {
  const entries = base === null ? none() : readManifest(filesOf(layout, base).manifest)
  try {
    let next = await nextOf(entries)
    for await (const line of readLines(difference)) {
      const entry = parseDifference(line)
      if (entry.kind !== 'same') {
        yield { entry, named: true }
        continue
      }
      while (next !== null && !isBelow(next.path, entry.path)) next = await nextOf(entries)
      if (next === null) throw baseChanged()
      while (next !== null && isBelow(next.path, entry.path)) {
        yield { entry: next, named: false }
        next = await nextOf(entries)
      }
    }
  } finally {
    await entries.return()
  }
}

/** @param hash of the whole manifest that has arrived. @throws Failure `base-changed` or `upload-corrupt` */
export function assertWhole(hash: string, contentHash: string, base: string | null): void {
  if (hash === contentHash) return
  throw base === null
    ? failure('upload-corrupt', { problem: 'its manifest has another hash' })
    : baseChanged()
}

function baseChanged(): Failure {
  return failure('base-changed')
}

async function nextOf(
  entries: AsyncGenerator<ManifestEntry, void, undefined>,
): Promise<ManifestEntry | null> {
  try {
    const { done, value } = await entries.next()
    return done === true ? null : value
  } catch {
    // The base was removed, or is damaged.
    throw baseChanged()
  }
}

async function* none(): AsyncGenerator<ManifestEntry, void, undefined> {
  yield* []
}
