/** Where contents are on this server already: in its releases, and in what interrupted uploads have left. */
import { lstat, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ManifestFile } from '../../protocol/manifest.ts'
import { exists } from '../system/files.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { endOwner, ownerLives } from '../system/owner.ts'
import { releaseIds } from './releases.ts'

/** An upload's name, and once its session is over; an id that is taken up again can be cut off again. */
const UPLOAD = /^\d{14}(\.(\d+\.)?interrupted)?$/
const INTERRUPTED = '.interrupted'

/** Puts aside what an upload has received: its session is over, and the next one looks there. */
export async function setAside(directory: string): Promise<void> {
  for (let count = 0; ; count += 1) {
    try {
      return await rename(directory, `${directory}${count === 0 ? '' : `.${count}`}${INTERRUPTED}`)
    } catch (error) {
      // One of the same id stands there.
      if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
}

/**
 * Ends the session that an upload belongs to, if it still is there: its connection was lost, but the server may not
 * have noticed. What came is put aside.
 */
export async function takeOverUpload(layout: Layout, id: string): Promise<void> {
  const directory = join(layout.incoming, id)
  await endOwner(uploadOwner(directory))
  // It may have been a release by then, or put aside by its session itself.
  if (await exists(directory)) await setAside(directory)
}

/** Says which session an upload belongs to, and the release after it: nobody removes it while that one lives. */
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

/** By `contentKey`; null: nowhere. */
export type Wanted = Map<string, Source | null>

/**
 * Notes for each content that is wanted where it should be; the newest place wins. That it truly is there, and
 * is what it should be, is for who takes it from there to prove.
 */
export async function findSources(layout: Layout, wanted: Wanted, except: string): Promise<void> {
  for (const directory of await uploads(layout)) {
    // Of an upload only some of the files have come.
    if (directory !== except) await note(directory, wanted, hasSize)
  }
  for (const id of await releaseIds(layout)) {
    await note(releaseDirectory(layout, id), wanted, async () => true)
  }
}

/** Where the content of a file should be on this server; null: nowhere. */
export type SourceOf = (file: ManifestFile) => Source | null

/**
 * @param base what the upload names the differences from: the rest is where it stands there
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
  try {
    for await (const entry of readManifest(releaseFiles(directory).manifest)) {
      if (entry.kind !== 'file') continue
      const key = contentKey(entry)
      const file = join(directory, entry.path)
      if (wanted.has(key) && (await isThere(file, entry.size))) wanted.set(key, { file, path: entry.path })
    }
  } catch {
    // A damaged release is nothing to build on; what it lacks is sent again.
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

/** Removes the uploads whose sessions are over. What others have linked from them stays. */
export async function removeInterrupted(layout: Layout): Promise<void> {
  for (const directory of await uploads(layout)) {
    const over = directory.endsWith(INTERRUPTED) || ownerLives(uploadOwner(directory)) === false
    if (over) await rm(directory, { recursive: true, force: true })
  }
}
