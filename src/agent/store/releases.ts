/** The releases on the server: which exist, which is current, what each is. */
import { lstat, mkdir, readdir, realpath, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import { type Guard, parse } from '../../protocol/guards.ts'
import {
  type ReleaseInfo,
  releaseInfo,
  type ReleaseSummary,
  type Runtime,
  runtime,
  type Verification,
  verification,
} from '../../protocol/messages.ts'
import { RELEASE_ID, releaseTime } from '../../protocol/release-id.ts'
import { exists, linkTarget, readIfThere, syncFolder, writeFileAtomic } from '../system/files.ts'
import { filesOf, type Layout, releaseDirectory } from './layout.ts'
import { readManifest } from './manifest-file.ts'

/** Returns the ids of the releases, oldest first. `releases` only ever holds complete releases. */
export async function releaseIds(layout: Layout): Promise<readonly string[]> {
  const names = await readdir(layout.releases).catch(() => [])
  const ours = await Promise.all(names.map((name) => isRelease(layout, name)))
  return names.filter((_, index) => ours[index]).sort()
}

/** The newest id in use, whoever made the folder; null: there is none. */
export async function newestId(layout: Layout): Promise<string | null> {
  const folders = [layout.releases, layout.incoming]
  const names = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))
  // An interrupted upload has a suffix.
  const ids = names.flat().flatMap((name) => /^\d{14}(?=\.|$)/.exec(name) ?? [])
  return ids.sort().at(-1) ?? null
}

/** By its metadata: Capistrano, Shipit and Ansistrano name their releases by the second, too. */
export async function isRelease(layout: Layout, id: string): Promise<boolean> {
  return RELEASE_ID.test(id) && exists(filesOf(layout, id).info)
}

/** Returns the release that `current` points at, or null. @throws Failure `current-not-a-link` */
export async function liveRelease(layout: Layout): Promise<string | null> {
  const stat = await lstat(layout.current).catch(() => null)
  if (stat !== null && !stat.isSymbolicLink()) throw failure('current-not-a-link', { path: layout.current })
  const [target, releases] = await Promise.all([layout.current, layout.releases].map(realPath))
  if (!target || dirname(target) !== releases) return null
  const id = basename(target)
  return (await isRelease(layout, id)) ? id : null
}

/** Returns the target of `current` as the link has it, if it exists and is no release of this app; else null. */
export async function foreignCurrent(layout: Layout): Promise<string | null> {
  const isForeign = (await liveRelease(layout)) === null && (await realPath(layout.current)) !== null
  return isForeign ? linkTarget(layout.current) : null
}

function realPath(path: string): Promise<string | null> {
  return realpath(path).catch(() => null)
}

/** Creates the link for `pointCurrentAt` beforehand: the swap then needs no disk space, only a rename. */
export async function prepareLink(layout: Layout, id: string): Promise<void> {
  // Relative, so that the app's folder can be moved as a whole.
  const target = join('releases', id)
  const link = preparedLink(layout, id)
  if ((await linkTarget(link).catch(() => null)) === target) return
  await rm(link, { recursive: true, force: true })
  await symlink(target, link)
}

/** Points `current` at a release in one atomic step: `current` always exists. */
export async function pointCurrentAt(layout: Layout, id: string): Promise<void> {
  await liveRelease(layout)
  await prepareLink(layout, id)
  await renameToCurrent(layout, preparedLink(layout, id))
}

/** Restores the earlier target of `current`. @param target as the link had it */
export async function pointCurrentBack(layout: Layout, target: string): Promise<void> {
  const link = preparedLink(layout, 'before')
  await rm(link, { recursive: true, force: true })
  await symlink(target, link)
  await renameToCurrent(layout, link)
}

async function renameToCurrent(layout: Layout, link: string): Promise<void> {
  await rename(link, layout.current)
  await syncFolder(layout.base)
}

export async function dropPreparedLinks(layout: Layout): Promise<void> {
  for (const name of await readdir(layout.own)) {
    if (name.startsWith(PREPARED)) await rm(join(layout.own, name), { force: true })
  }
}

const PREPARED = 'current-to-'

function preparedLink(layout: Layout, id: string): string {
  return join(layout.own, PREPARED + id)
}

export function readInfo(layout: Layout, id: string): Promise<ReleaseInfo> {
  return readOwn(id, filesOf(layout, id).info, releaseInfo)
}

export function readRuntime(layout: Layout, id: string): Promise<Runtime> {
  return readOwn(id, filesOf(layout, id).runtime, runtime)
}

async function readOwn<T>(id: string, file: string, guard: Guard<T>): Promise<T> {
  const text = await readIfThere(file)
  if (text === null) throw failure('release-damaged', { release: id, path: file, problem: 'is missing' })
  return parse(guard, text, file)
}

/** Returns what was recorded about the release since it served, or null if it never did. */
export async function verificationOf(layout: Layout, id: string): Promise<Verification | null> {
  const text = await readIfThere(filesOf(layout, id).verified)
  if (text === null) return null
  const found = parse(verification, text, 'verified.json')
  // Version 0.1 kept when a release served last, and nothing of rollbacks: then ids alone tell which came first.
  return found.kind === null ? { ...found, activatedAt: releaseTime(id).toISOString() } : found
}

/** Returns when the release first served, as an ISO time, or null if it never did. */
export async function activatedAt(layout: Layout, id: string): Promise<string | null> {
  return (await verificationOf(layout, id))?.activatedAt ?? null
}

/** Removes the records that a release served or is staged, because it was rejected afterwards. */
export async function markRejected(layout: Layout, id: string): Promise<void> {
  const { verified, staged } = filesOf(layout, id)
  for (const file of [staged, verified]) await rm(file, { force: true })
}

export async function markStaged(layout: Layout, id: string): Promise<void> {
  const { staged } = filesOf(layout, id)
  await writeFileAtomic(staged, JSON.stringify({ stagedAt: new Date().toISOString() }), 0o644)
}

/** Once a newer release is live, the mark counts no more. */
async function isStaged(layout: Layout, id: string, live: string | null): Promise<boolean> {
  return (live === null || id > live) && exists(filesOf(layout, id).staged)
}

export async function listReleases(layout: Layout): Promise<readonly ReleaseSummary[]> {
  const live = await liveRelease(layout)
  const ids = await releaseIds(layout)
  return Promise.all(
    ids.map(async (id) => {
      const verified = await verificationOf(layout, id).catch(() => null)
      return {
        id,
        live: id === live,
        activatedAt: verified?.activatedAt ?? null,
        left: (verified?.leftBy ?? null) !== null,
        staged: verified === null && (await isStaged(layout, id, live)),
        info: await readInfo(layout, id).catch(() => null),
        bytes: await contentBytes(layout, id),
      }
    }),
  )
}

async function contentBytes(layout: Layout, id: string): Promise<number> {
  let bytes = 0
  try {
    for await (const entry of readManifest(filesOf(layout, id).manifest)) {
      if (entry.kind === 'file') bytes += entry.size
    }
  } catch {
    // A damaged release has no size; the integrity check names the damage.
  }
  return bytes
}

/**
 * Moves a release out of `releases` in one step, then deletes it, so that no incomplete one is ever there.
 * @throws Failure `unknown-release`
 */
export async function removeRelease(layout: Layout, id: string): Promise<void> {
  if (!(await isRelease(layout, id))) {
    throw failure('unknown-release: not ours', { path: releaseDirectory(layout, id) })
  }
  const grave = join(layout.incoming, `${id}.removed`)
  await rm(grave, { recursive: true, force: true })
  await mkdir(layout.incoming, { recursive: true, mode: 0o700 })
  await rename(releaseDirectory(layout, id), grave)
  await rm(grave, { recursive: true, force: true })
}
