/** Prunes old releases: never the live one, the previous one, or one that a process still uses. */
import { lstat, readdir, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Result } from '../protocol/messages.ts'
import { readJob } from './activation/job.ts'
import type { Layout } from './layout.ts'
import { releaseDirectory } from './layout.ts'
import { takeLock } from './lock.ts'
import { ownerLives } from './owner.ts'
import { workingDirectories } from './processes.ts'
import {
  activatedAt,
  dropPreparedLinks,
  liveRelease,
  previousRelease,
  releaseIds,
  removeRelease,
} from './releases.ts'
import { uploadOwner } from './sources.ts'
import { readWorkers } from './workers.ts'

/** What has no owner, but is younger than this, may be about to get one, in ms. */
const JUST_BEGUN = 60_000

/** @param keep verified releases to keep, the live one included */
export async function cleanUp(
  layout: Layout,
  keep: number,
  lockTimeoutMs: number,
): Promise<Result<'cleanup'>> {
  const lock = await takeLock(layout.lock, 'a cleanup', lockTimeoutMs)
  try {
    const live = await liveRelease(layout)
    const previous = await previousRelease(layout, [live])
    const ids = await releaseIds(layout)
    const verified = await keepIf(
      ids,
      async (id) => (await activatedAt(layout, id).catch(() => null)) !== null,
    )
    const wanted = new Set([...verified.slice(-keep), live, previous])
    const claimed = await claimedReleases(layout, ids)
    // Without a live release there is nothing that tells which of them matter.
    const doomed = live === null ? [] : ids.filter((id) => !wanted.has(id) && !claimed.has(id) && id < live)

    const used = await releasesInUse(layout, ids)
    const removed = doomed.filter((id) => !used.has(id))
    for (const id of removed) await removeRelease(layout, id)
    await removeLeftovers(layout)
    await dropPreparedLinks(layout)
    return {
      removed,
      inUse: doomed.filter((id) => used.has(id)),
      kept: ids.filter((id) => !removed.includes(id)),
    }
  } finally {
    await lock.release()
  }
}

/** Releases on their way: the session that sent one lives, or an activation of it waits for the lock. */
async function claimedReleases(layout: Layout, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const sent = ids.filter((id) => ownerLives(uploadOwner(releaseDirectory(layout, id))) === true)
  const jobs = (await readdir(layout.activations)).filter((name) => name.endsWith('.json'))
  const waiting = await Promise.all(jobs.map((name) => releaseOf(join(layout.activations, name))))
  return new Set([...sent, ...waiting])
}

async function releaseOf(jobFile: string): Promise<string> {
  if (ownerLives(ownerOf(jobFile)) === false) return ''
  return (await readJob(jobFile))?.request.release ?? ''
}

/** Releases that a process has as its working directory, or that a worker says it runs. */
export async function releasesInUse(layout: Layout, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const directories = [...workingDirectories().values()]
  const workers = await readWorkers(layout.workers)
  return new Set(
    ids.filter((id) => {
      const directory = releaseDirectory(layout, id)
      return (
        workers.some(({ release }) => release === id) ||
        directories.some((used) => used === directory || used.startsWith(directory + sep))
      )
    }),
  )
}

/** What sessions and activations left behind that ended before they could tidy up. */
async function removeLeftovers(layout: Layout): Promise<void> {
  const { incoming, activations, own, lock, workers } = layout
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name)
    const abandoned = ownerLives(uploadOwner(path)) !== true && (await isOld(path))
    if (abandoned) await rm(path, { recursive: true, force: true })
  }
  for (const name of await readdir(activations)) {
    const path = join(activations, name)
    if (ownerLives(ownerOf(path)) !== true && (await isOld(path)))
      await rm(path, { recursive: true, force: true })
  }
  for (const folder of [own, lock, workers, join(own, 'agent')]) {
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name)
      if (ASIDE.test(name) && (await isOld(path))) await rm(path, { recursive: true, force: true })
    }
  }
}

/** What is written aside before it is renamed into place: it stays where its process was killed in between. */
const ASIDE = /^\.|\.tmp$|\.cjs\.\d+$/

/** The owner file beside any file of an activation. */
function ownerOf(path: string): string {
  return path.replace(/\.\w+$/, '.owner')
}

async function isOld(path: string): Promise<boolean> {
  const changed = await lstat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => Date.now(),
  )
  return Date.now() - changed > JUST_BEGUN
}

async function keepIf<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<readonly T[]> {
  const results = await Promise.all(items.map(test))
  return items.filter((_, index) => results[index])
}
