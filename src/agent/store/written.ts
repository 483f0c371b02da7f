/** What an app has written into its own release: no other release has it, and it is lost with that release. */
import type { Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { hashFile } from '../../common/hash-file.ts'
import type { ManifestFile } from '../../protocol/manifest.ts'
import type { ReleaseInfo } from '../../protocol/messages.ts'
import { distDirOf, isCacheOfNext, isCode } from './code.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { readInfo, readRuntime } from './releases.ts'

/** Whether a file was written after the release was complete. Uploaded files have an earlier time. */
export function isWrittenSince({ mtimeMs }: Pick<Stats, 'mtimeMs'>, { created }: ReleaseInfo): boolean {
  return mtimeMs > Date.parse(created)
}

/** Returns whether paths of a release live in `<path>/shared`. */
export async function inShared(layout: Layout, id: string): Promise<(path: string) => boolean> {
  const { entry } = await readInfo(layout, id)
  const { sharedDirs, sharedFiles } = await readRuntime(layout, id)
  const paths = [...sharedDirs, ...sharedFiles].map((path) => posix.join(posix.dirname(entry), path))
  return (path) => paths.some((shared) => path === shared || path.startsWith(`${shared}/`))
}

/**
 * Finds the files that the app wrote into a release: files that the manifest does not name, and files outside of code
 * that differ from the upload. What the other release has too, such as a sitemap made at boot, is not lost.
 * @param other the release that serves instead of this one
 * @returns paths relative to the app; a folder, with a slash, where the manifest names nothing in it
 */
export async function writtenFiles(layout: Layout, id: string, other: string): Promise<readonly string[]> {
  const info = await readInfo(layout, id)
  const distDir = distDirOf(info)
  const isShared = await inShared(layout, id)
  const [directory, elsewhere] = [releaseDirectory(layout, id), releaseDirectory(layout, other)]
  const named = new Map<string, ManifestFile | null>()
  for await (const entry of readManifest(releaseFiles(directory).manifest)) {
    named.set(entry.path, entry.kind === 'file' ? entry : null)
    for (let folder = dirname(entry.path); !named.has(folder); folder = dirname(folder))
      named.set(folder, null)
  }
  const isLost = async (path: string): Promise<boolean> => {
    const [file, theirs] = [join(directory, path), join(elsewhere, path)]
    const stat = await statOf(file)
    const entry = named.get(path) ?? null
    if (stat === null || (entry !== null && !isWrittenSince(stat, info))) return false
    if (entry?.size === stat.size && (await hashOf(file)) === entry.hash) return false
    const same = await statOf(theirs)
    if (same?.isFile() !== true || same.size !== stat.size) return true
    const hash = await hashOf(file)
    return hash === null || hash !== (await hashOf(theirs))
  }
  /** @param whole the manifest names nothing in here: the first file is enough */
  const lostIn = async (folder: string, whole: boolean): Promise<readonly string[]> => {
    const entries = await readdir(join(directory, folder), { withFileTypes: true }).catch(() => null)
    if (entries === null) return [`${folder}/`]
    const lost: string[] = []
    for (const each of entries) {
      const path = posix.join(folder, each.name)
      if (path === OWN || isShared(path) || isBuilt(path, distDir)) continue
      if (each.isDirectory()) {
        const isNamed = named.has(path)
        const found = await lostIn(path, whole || !isNamed)
        if (found.length > 0) lost.push(...(isNamed ? found : [`${path}/`]))
      } else if (each.isFile() && (await isLost(path))) lost.push(path)
      if (whole && lost.length > 0) break
    }
    return lost
  }
  const app = posix.dirname(info.entry)
  return (await lostIn('.', false)).map((path) => {
    const inApp = posix.relative(app, path)
    return path.endsWith('/') ? `${inApp}/` : inApp
  })
}

function statOf(file: string): Promise<Stats | null> {
  return lstat(file).catch(() => null)
}

function hashOf(file: string): Promise<string | null> {
  return hashFile(file).catch(() => null)
}

const OWN = '.gapless'

/** What the build, Next.js or the agent puts there, and the folder of packages or of the build. */
function isBuilt(path: string, distDir: string): boolean {
  const inside = `${path}/`
  return [path, inside].some((each) => isCode(each, distDir) || isCacheOfNext(each, distDir))
}
