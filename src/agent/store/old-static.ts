/**
 * The static files of the other releases, for visitors with a page of one of them: its lazy chunks, images and
 * styles have names that only that build knows.
 */
import { lstatSync, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ManifestFile } from '../../protocol/manifest.ts'
import { copyAtomic, makeReadableFolder, tryLink } from '../system/files.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { activatedAt, liveRelease, readInfo, releaseIds } from './releases.ts'

/**
 * Links the static files of every other release that ever served into this one, except where it has a file of that
 * name. Next.js lists static files when it boots (14, 15, 16): this runs before that, and running workers do not
 * notice. Each release's own manifest counts: a file goes when the last release that was built with it goes.
 * @param served releases that served although they were never verified
 * @returns how many files this call added
 * @throws where the release itself cannot be read or written; skips what is wrong with the others
 */
export async function carryStatic(
  layout: Layout,
  id: string,
  served: readonly string[] = [],
): Promise<{ files: number }> {
  const own = await staticFolder(layout, id)
  if (own === null) return { files: 0 }
  let files = 0
  for (const other of await servedReleases(layout, id, served)) {
    for (const { source, path, file } of await staticFiles(layout, other)) {
      if (await carry(source, join(own, path), file)) files += 1
    }
  }
  return { files }
}

/** The releases that visitors may have a page of, newest first. `current` can point at one that failed later. */
async function servedReleases(
  layout: Layout,
  except: string,
  served: readonly string[],
): Promise<readonly string[]> {
  const known = new Set([...served, await liveRelease(layout)])
  const found: string[] = []
  for (const id of await releaseIds(layout)) {
    if (id === except) continue
    if (known.has(id) || (await activatedAt(layout, id).catch(() => null)) !== null) found.unshift(id)
  }
  return found
}

interface StaticFile {
  readonly source: string
  /** Relative to the static folder: the part that the browser requests, whatever `distDir` was. */
  readonly path: string
  readonly file: ManifestFile
}

async function staticFiles(layout: Layout, id: string): Promise<readonly StaticFile[]> {
  const found: StaticFile[] = []
  try {
    const { staticPath } = await readInfo(layout, id)
    if (staticPath === null) return []
    const directory = releaseDirectory(layout, id)
    for await (const entry of readManifest(releaseFiles(directory).manifest)) {
      if (entry.kind !== 'file' || !entry.path.startsWith(`${staticPath}/`)) continue
      const path = entry.path.slice(staticPath.length + 1)
      found.push({ source: join(directory, entry.path), path, file: entry })
    }
  } catch {
    // A damaged release contributes what could be read.
  }
  return found
}

async function staticFolder(layout: Layout, id: string): Promise<string | null> {
  const { staticPath } = await readInfo(layout, id)
  if (staticPath === null) return null
  const folder = join(releaseDirectory(layout, id), staticPath)
  return statOf(folder)?.isDirectory() ? folder : null
}

/** Links synchronously: a promise each for thousands of files would take ten times as long. */
function carry(source: string, target: string, { size, mode }: ManifestFile): boolean | Promise<boolean> {
  const stat = statOf(source)
  if (!stat?.isFile() || stat.size !== size || statOf(target) !== null) return false
  try {
    makeReadableFolder(dirname(target))
  } catch (error) {
    // This release has a file where the other has a folder: this release wins.
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR') return false
    throw error
  }
  return tryLink(source, target) || copyAtomic(source, target, mode).then(() => true)
}

/** Returns null also where a file is in the place of one of the folders on the way. */
function statOf(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
