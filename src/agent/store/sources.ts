/** Which contents this server already has: in its releases, and in leftovers of interrupted uploads. */
import { lstat, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { hashInLine, type ManifestFile } from '../../protocol/manifest.ts'
import { exists } from '../system/files.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { endOwner, ownerLives } from '../system/owner.ts'
import { releaseIds } from './releases.ts'

/** An upload's name, and its name once its session is over. A resumed upload can be interrupted again. */
const UPLOAD = /^\d{14}(\.(\d+\.)?interrupted)?$/
const INTERRUPTED = '.interrupted'

/** Renames what an upload has received when its session is over, so that the next upload finds it. */
export async function setAside(directory: string): Promise<void> {
  for (let count = 0; ; count += 1) {
    try {
      return await rename(directory, `${directory}${count === 0 ? '' : `.${count}`}${INTERRUPTED}`)
    } catch (error) {
      // An interrupted upload of the same id is there.
      if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}

/**
 * Ends the session that an upload belongs to, if it is still there: its connection was lost, but the server may
 * not have noticed. Sets aside what has arrived.
 */
export async function takeOverUpload(layout: Layout, id: string): Promise<void> {
  const directory = join(layout.incoming, id)
  await endOwner(uploadOwner(directory))
  // The upload may have become a release, or its own session may have set it aside.
  if (await exists(directory)) await setAside(directory)
}

/** The file that names the session of an upload, and of its release: nobody removes that while the session lives. */
export function uploadOwner(directory: string): string {
  return join(releaseFiles(directory).own, 'owner.json')
}

export function contentKey(file: ManifestFile): string {
  return `${file.hash} ${file.mode}`
}

/** A file on this server that should have a content. */
export interface Source {
  /** Absolute. */
  readonly file: string
  /** Relative to the release or the upload that has it. */
  readonly path: string
}

/** By `contentKey`; null: no source. */
export type Wanted = Map<string, Source | null>

/**
 * Notes a source for each wanted content; the newest wins. Whoever copies the file must verify it.
 * @param neighbours apps whose releases are sources too, the best last
 */
export async function findSources(
  layout: Layout,
  wanted: Wanted,
  except: string,
  neighbours: readonly Layout[] = [],
): Promise<void> {
  for (const neighbour of neighbours) await noteReleases(neighbour, wanted)
  for (const directory of await uploads(layout)) {
    // An upload has only some of its files.
    if (directory !== except) await note(directory, wanted, hasSize)
  }
  await noteReleases(layout, wanted)
}

async function noteReleases(layout: Layout, wanted: Wanted): Promise<void> {
  for (const id of await releaseIds(layout)) {
    await note(releaseDirectory(layout, id), wanted, async () => true)
  }
}

/** Returns the file on this server that should have a file's content; null: none. */
export type SourceOf = (file: ManifestFile) => Source | null

/**
 * @param base the release that the upload names its differences from: all other files are there
 * @param wanted as `findSources` has filled it
 */
export function sourcesIn(
  layout: Layout,
  base: string | null,
  wanted: ReadonlyMap<string, Source | null>,
): SourceOf {
  const from = base === null ? '' : releaseDirectory(layout, base)
  return (file) => {
    const found = wanted.get(contentKey(file))
    return found === undefined ? { file: join(from, file.path), path: file.path } : found
  }
}

async function note(
  directory: string,
  wanted: Wanted,
  isThere: (path: string, size: number) => Promise<boolean>,
): Promise<void> {
  const hashes = new Set([...wanted.keys()].map((key) => key.slice(0, key.indexOf(' '))))
  const isWanted = (line: string) => hashes.has(hashInLine(line) ?? '')
  try {
    for await (const entry of readManifest(releaseFiles(directory).manifest, isWanted)) {
      if (entry.kind !== 'file') continue
      const key = contentKey(entry)
      const file = join(directory, entry.path)
      if (wanted.has(key) && (await isThere(file, entry.size))) wanted.set(key, { file, path: entry.path })
    }
  } catch {
    // A damaged release is no source; what it lacks is sent again.
  }
}

async function hasSize(path: string, size: number): Promise<boolean> {
  const stat = await lstat(path).catch(() => null)
  return stat?.size === size
}

async function uploads(layout: Layout): Promise<readonly string[]> {
  const names = await readdir(layout.incoming).catch(() => [])
  return names.filter((name) => UPLOAD.test(name)).map((name) => join(layout.incoming, name))
}

/** Removes the uploads whose sessions are over. Hard links to their files stay. */
export async function removeInterrupted(layout: Layout): Promise<void> {
  for (const directory of await uploads(layout)) {
    const over = directory.endsWith(INTERRUPTED) || ownerLives(uploadOwner(directory)) === false
    if (over) await rm(directory, { recursive: true, force: true })
  }
}
