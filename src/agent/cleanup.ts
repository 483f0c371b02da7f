/** Prunes old releases: never the live one, the previous one, or one that a process still uses. */
import { readdir, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import type { Result } from '../protocol/messages.ts'
import type { Layout } from './layout.ts'
import { releaseDirectory } from './layout.ts'
import { takeLock } from './lock.ts'
import { workingDirectories } from './processes.ts'
import { activatedAt, liveRelease, previousRelease, releaseIds, removeRelease } from './releases.ts'
import { readWorkers } from './workers.ts'

/** What an upload left behind this long ago, in ms, belongs to a run that is dead. */
const STALE_UPLOAD = 24 * 60 * 60 * 1000

/** @param keep verified releases to keep, the live one included */
export async function cleanUp(
  layout: Layout,
  keep: number,
  lockTimeoutMs: number,
): Promise<Result<'cleanup'>> {
  const lock = await takeLock(layout.lock, 'a cleanup', lockTimeoutMs, () => undefined)
  try {
    const live = await liveRelease(layout)
    const previous = await previousRelease(layout, live)
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
    await removeStaleUploads(layout)
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

async function removeStaleUploads(layout: Layout): Promise<void> {
  for (const name of await readdir(layout.incoming)) {
    const begun = Date.parse(name.replace(/^(....)(..)(..)(..)(..)(..).*$/, '$1-$2-$3T$4:$5:$6Z'))
    if (Date.now() - begun > STALE_UPLOAD)
      await rm(join(layout.incoming, name), { recursive: true, force: true })
  }
}

async function keepIf<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<readonly T[]> {
  const results = await Promise.all(items.map(test))
  return items.filter((_, index) => results[index])
}
