/** The releases on the server: which there are, which is live, what each is. */
import { lstat, mkdir, readdir, realpath, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import { parse } from '../../protocol/guards.ts'
import {
  RELEASE_ID,
  type ReleaseInfo,
  releaseInfo,
  type ReleaseSummary,
  type Runtime,
  runtime,
  type Verification,
  verification,
} from '../../protocol/messages.ts'
import { exists, linkTarget, readIfThere, syncFolder } from '../system/files.ts'
import { type Layout, releaseDirectory, releaseFiles } from './layout.ts'
import { readManifest } from './manifest-file.ts'

/** Ids of the releases, oldest first. Only complete releases ever stand in `releases`. */
export async function releaseIds(layout: Layout): Promise<readonly string[]> {
  const names = await takenIds(layout)
  const ours = await Promise.all(names.map((name) => isRelease(layout, name)))
  return names.filter((_, index) => ours[index])
}

/** What in `releases` is named like a release, oldest first, whoever put it there. */
export async function takenIds(layout: Layout): Promise<readonly string[]> {
  const names = await readdir(layout.releases).catch(() => [])
  return names.filter((name) => RELEASE_ID.test(name)).sort()
}

/** By its papers: Capistrano, Shipit and Ansistrano name their releases by the second, too. */
export async function isRelease(layout: Layout, id: string): Promise<boolean> {
  return RELEASE_ID.test(id) && exists(releaseFiles(releaseDirectory(layout, id)).info)
}

/**
 * The release that `current` points at, or null.
 * @throws Failure `current-not-a-link` when something else stands in its place
 */
export async function liveRelease(layout: Layout): Promise<string | null> {
  const stat = await lstat(layout.current).catch(() => null)
  if (stat !== null && !stat.isSymbolicLink()) {
    throw failure('current-not-a-link', { path: layout.current })
  }
  const [target, releases] = await Promise.all([layout.current, layout.releases].map(realPath))
  if (!target || dirname(target) !== releases) return null
  const id = basename(target)
  return (await isRelease(layout, id)) ? id : null
}

/** Where `current` points, as the link says it, if that is there and no release of this app; else null. */
export async function foreignCurrent(layout: Layout): Promise<string | null> {
  const isForeign = (await liveRelease(layout)) === null && (await realPath(layout.current)) !== null
  return isForeign ? linkTarget(layout.current) : null
}

function realPath(path: string): Promise<string | null> {
  return realpath(path).catch(() => null)
}

/** Makes the link for `pointCurrentAt` beforehand: then it needs no room on the disk, only a rename. */
export async function prepareLink(layout: Layout, id: string): Promise<void> {
  // Relative, so that the app's folder can be moved as a whole.
  const target = join('releases', id)
  const link = preparedLink(layout, id)
  if ((await linkTarget(link).catch(() => null)) === target) return
  await rm(link, { recursive: true, force: true })
  await symlink(target, link)
}

/** Points `current` at a release in one atomic step: there is no moment without it. */
export async function pointCurrentAt(layout: Layout, id: string): Promise<void> {
  await liveRelease(layout)
  await prepareLink(layout, id)
  await renameToCurrent(layout, preparedLink(layout, id))
}

/** Makes `current` the link that it was before. @param target as the link said it */
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

export async function readInfo(layout: Layout, id: string): Promise<ReleaseInfo> {
  const { info } = releaseFiles(releaseDirectory(layout, id))
  const text = await readIfThere(info)
  if (text === null) throw failure('release-damaged', { release: id, path: info, problem: 'is missing' })
  return parse(releaseInfo, text, info)
}

export async function readRuntime(layout: Layout, id: string): Promise<Runtime> {
  const file = releaseFiles(releaseDirectory(layout, id)).runtime
  const text = await readIfThere(file)
  if (text === null) throw failure('release-damaged', { release: id, path: file, problem: 'is missing' })
  return parse(runtime, text, file)
}

/** What is known of the release since it was shown to serve, or null if it never was. */
export async function verificationOf(layout: Layout, id: string): Promise<Verification | null> {
  const text = await readIfThere(releaseFiles(releaseDirectory(layout, id)).verified)
  if (text === null) return null
  const found = parse(verification, text, 'verified.json')
  // Version 0.1 kept when a release served last, and nothing of rollbacks: then ids alone tell which came first.
  return found.kind === null ? { ...found, activatedAt: timeOf(id) } : found
}

/** The time that an id names, as an ISO time. */
function timeOf(id: string): string {
  return id.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6.000Z')
}

/** When the release was first shown to serve, as an ISO time, or null if it never was. */
export async function activatedAt(layout: Layout, id: string): Promise<string | null> {
  return (await verificationOf(layout, id))?.activatedAt ?? null
}

/** Takes back that a release was shown to serve: it was, and then it was rejected. */
export async function markRejected(layout: Layout, id: string): Promise<void> {
  await rm(releaseFiles(releaseDirectory(layout, id)).verified, { force: true })
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
        info: await readInfo(layout, id).catch(() => null),
        bytes: await contentBytes(layout, id),
      }
    }),
  )
}

async function contentBytes(layout: Layout, id: string): Promise<number> {
  let bytes = 0
  try {
    for await (const entry of readManifest(releaseFiles(releaseDirectory(layout, id)).manifest)) {
      if (entry.kind === 'file') bytes += entry.size
    }
  } catch {
    // A damaged release has no size to tell; the audit names the damage.
  }
  return bytes
}

/** Takes a release out of `releases` in one step, then deletes it: a half deleted one never stands there. @throws Failure `unknown-release` */
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
