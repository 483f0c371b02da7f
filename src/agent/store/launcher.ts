/**
 * The launcher of a release. Every worker starts with it, so its bytes are verified before a release is
 * started. What PM2 starts between activations, such as a worker that crashed, cannot be verified.
 */
import { lstat, readFile, rm } from 'node:fs/promises'
import { fileHasher, sha256 } from '../../common/hash-file.ts'
import { failure } from '../../common/errors/server.ts'
import { LAUNCHER, type ManifestFile } from '../../protocol/manifest.ts'
import { writeFileAtomic } from '../system/files.ts'
import { filesOf, type Layout } from './layout.ts'
import { readManifest } from './manifest-file.ts'
import { releaseIds } from './releases.ts'

/** @throws Failure `release-damaged` when the launcher is not the one that was uploaded */
export async function assertLauncher(layout: Layout, id: string): Promise<void> {
  if (await isProven(layout, id, await uploadedLauncher(layout, id))) return
  const { launcher } = filesOf(layout, id)
  throw failure('release-damaged: launcher', { path: launcher })
}

/**
 * Restores a modified launcher of a release that must come back: from the same bytes in another release, else from the
 * newest release with an intact launcher. Launchers can read the releases of older launchers.
 * @returns what was done, or null where nothing was wrong
 * @throws Failure `release-damaged`
 */
export async function repairLauncher(layout: Layout, id: string): Promise<string | null> {
  const uploaded = await uploadedLauncher(layout, id)
  if (await isProven(layout, id, uploaded)) return null
  const source = await provenElsewhere(layout, id, uploaded)
  const { launcher } = filesOf(layout, id)
  if (source === null) throw failure('release-damaged: every launcher', { path: launcher })
  const stat = await lstat(launcher).catch(() => null)
  if (stat !== null && !stat.isFile()) await rm(launcher, { recursive: true, force: true })
  await writeFileAtomic(launcher, source.content, 0o644)
  return `Replaced "${launcher}", which was modified on the server, with the one of ${source.id}`
}

/** Returns the launcher's manifest entry; null where the manifest has none or cannot be read. */
async function uploadedLauncher(layout: Layout, id: string): Promise<ManifestFile | null> {
  try {
    for await (const entry of readManifest(filesOf(layout, id).manifest)) {
      if (entry.kind === 'file' && entry.path === LAUNCHER) return entry
    }
  } catch {
    // A damaged release has no verified launcher.
  }
  return null
}

async function isProven(layout: Layout, id: string, uploaded: ManifestFile | null): Promise<boolean> {
  if (uploaded === null) return false
  const { launcher } = filesOf(layout, id)
  const stat = await lstat(launcher).catch(() => null)
  if (!stat?.isFile() || stat.size !== uploaded.size) return false
  return (await fileHasher()(launcher, stat.size)) === uploaded.hash
}

async function provenElsewhere(
  layout: Layout,
  except: string,
  wanted: ManifestFile | null,
): Promise<{ readonly id: string; readonly content: Buffer } | null> {
  const others = (await releaseIds(layout)).filter((id) => id !== except).reverse()
  const launchers = await Promise.all(
    others.map(async (id) => ({ id, uploaded: await uploadedLauncher(layout, id) })),
  )
  const same = launchers.filter(({ uploaded }) => uploaded?.hash === wanted?.hash)
  for (const { id, uploaded } of [...same, ...launchers]) {
    const { launcher } = filesOf(layout, id)
    const content = await readFile(launcher).catch(() => null)
    if (content !== null && sha256(content) === uploaded?.hash) return { id, content }
  }
  return null
}
