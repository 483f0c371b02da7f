/** Whether a release still is what was uploaded. */
import { lstat, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { fileHasher } from '../../common/hash-file.ts'
import { failure } from '../../common/errors/server.ts'
import type { ManifestEntry } from '../../protocol/manifest.ts'
import type { Result } from '../../protocol/messages.ts'
import { distDirOf, isCacheOfNext, isCode } from './code.ts'
import { repairEntries } from './repair.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { readInfo } from './releases.ts'
import { inShared, isWrittenSince } from './written.ts'

/**
 * Verifies the manifest by its hash, and the release by its manifest. Restores what is missing or damaged from a
 * release that still has it. A file outside of code that was written later stays: it may be the app's data, such as a
 * SQLite file, which the build's copy would destroy. Shared paths are skipped.
 * @param repair false: change nothing, and report what could be restored
 * @returns paths that were restored, and paths outside of code that differ from the upload
 * @throws Failure `release-damaged` naming the first path of code that cannot be restored
 */
export async function checkIntegrity(
  layout: Layout,
  id: string,
  repair = false,
  alive: () => void = () => undefined,
): Promise<Result<'integrity'>> {
  const directory = releaseDirectory(layout, id)
  const { manifest } = releaseFiles(directory)
  const info = await readInfo(layout, id)
  const distDir = distDirOf(info)
  const isShared = await inShared(layout, id)
  const hashFile = fileHasher()
  const damaged = (path: string, problem: string) =>
    failure('release-damaged', { release: id, path, problem })

  // An unreadable file is not what was uploaded.
  const hashOf = async (path: string, size: number) => {
    try {
      return await hashFile(path, size)
    } catch {
      return null
    }
  }
  const stateOf = async (entry: ManifestEntry): Promise<State> => {
    const path = join(directory, entry.path)
    const stat = await lstat(path).catch(() => null)
    if (stat === null) return 'missing'
    if (entry.kind === 'directory') return 'whole'
    const same =
      entry.kind === 'link'
        ? stat.isSymbolicLink() && (await readlink(path)) === entry.target
        : isCacheOfNext(entry.path, distDir) ||
          (stat.isFile() && stat.size === entry.size && (await hashOf(path, entry.size)) === entry.hash)
    if (same) return 'whole'
    return !isCode(entry.path, distDir) && isWrittenSince(stat, info) ? 'written' : 'changed'
  }

  let files = 0
  let bytes = 0
  const changed: string[] = []
  const wrong = new Map<ManifestEntry, State>()
  try {
    // A shorter manifest would verify less.
    if ((await hashFile(manifest)) !== info.contentHash) throw damaged(manifest, 'was modified')
    for await (const entry of readManifest(manifest)) {
      if (isShared(entry.path)) continue
      const state = await stateOf(entry)
      if (state === 'written') changed.push(entry.path)
      else if (state !== 'whole') wrong.set(entry, state)
      alive()
      if (entry.kind !== 'file') continue
      files += 1
      bytes += entry.size
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw damaged(manifest, 'is missing')
    throw error
  }

  const repaired = await repairEntries(layout, id, [...wrong.keys()], repair)
  for (const [entry, state] of wrong) {
    if (repaired.has(entry)) continue
    if (isCode(entry.path, distDir))
      throw damaged(entry.path, state === 'missing' ? 'is missing' : 'was modified')
    changed.push(entry.path)
  }
  return { files, bytes, repaired: [...repaired].map(({ path }) => path), changed: changed.sort() }
}

/** State of a manifest entry. `written`: by the app, which may write there. */
type State = 'whole' | 'missing' | 'changed' | 'written'
