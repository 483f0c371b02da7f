/** Prunes old releases: never the live one, the previous one, or one that a process still uses. */
import { lstat, readdir, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Result } from '../protocol/messages.ts'
import type { Layout } from './layout.ts'
import { releaseDirectory } from './layout.ts'
import { takeLock } from './lock.ts'
import { ownerLives } from './owner.ts'
import { workingDirectories } from './processes.ts'
import { activatedAt, liveRelease, previousRelease, releaseIds, removeRelease } from './releases.ts'
import { uploadOwner } from './upload.ts'
import { readWorkers } from './workers.ts'

/** What has no owner, but is younger than this, may be about to get one, in ms. */
const JUST_BEGUN = 60_000

/** @param keep verified releases to keep, the live one included */
export async function cleanUp(
  layout: Layout,
  keep: number,
  lockTimeoutMs: number,
): Promise<Result<'cleanup'>> {
  const lock = await takeLock(layout.lock, 'a cleanup', lockTimeoutMs, () => undefined)
  try {
    const live = await liveRelease(layout)
    const previous = await previousRelease(layout, [live])
    const ids = await releaseIds(layout)
    const verified = await keepIf(
      ids,
      async (id) => (await activatedAt(layout, id).catch(() => null)) !== null,
    )
    const wanted = new Set([...verified.slice(-keep), live, previous])
    // Without a live release there is nothing that tells which of them matter.
    const doomed = live === null ? [] : ids.filter((id) => !wanted.has(id) && id < live)

    const used = await releasesInUse(layout, ids)
    const removed = doomed.filter((id) => !used.has(id))
    for (const id of removed) await removeRelease(layout, id)
    await removeLeftovers(layout)
    return {
      removed,
      inUse: doomed.filter((id) => used.has(id)),
      kept: ids.filter((id) => !removed.includes(id)),
    }
  } finally {
    await lock.release()
  }
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
async function removeLeftovers({ incoming, activations }: Layout): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name)
    const abandoned = ownerLives(uploadOwner(path)) !== true && (await isOld(path))
    if (abandoned) await rm(path, { recursive: true, force: true })
  }
  for (const name of await readdir(activations)) {
    const path = join(activations, name)
    const owner = path.replace(/\.\w+$/, '.owner')
    if (ownerLives(owner) !== true && (await isOld(path))) await rm(path, { force: true })
  }
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
