/**
 * Removes old releases: never the current, the previous, or one in use, and none before a cleanup has reported what the
 * app wrote into it. Also removes leftovers of dead runs, earlier agents, and the beginning of the journal.
 */
import { lstat, readdir, realpath, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { Failure } from '../../common/failure.ts'
import type { Result } from '../../protocol/messages.ts'
import { readJob } from '../activation/job.ts'
import { endOrphanedCandidates } from '../activation/candidates.ts'
import { previousRelease } from '../store/history.ts'
import { type Layout, releaseDirectory } from '../store/layout.ts'
import { type Lock, lockedFor, takeLock } from '../system/lock.ts'
import { trimJournal } from '../activation/journal.ts'
import { ownerLives } from '../system/owner.ts'
import { workingDirectories } from '../system/processes.ts'
import { activatedAt, dropPreparedLinks, liveRelease, releaseIds, removeRelease } from '../store/releases.ts'
import { reportWritten } from '../store/reported.ts'
import { uploadOwner } from '../store/sources.ts'
import { readWorkers, removeDeadWorkers } from '../pm2/workers.ts'

/** Something younger than this without an owner may be about to get one, in ms. */
const JUST_BEGUN = 60_000

/** An agent that no session has used for this long belongs to a version that nobody runs any more, in ms. */
const AGENT_UNUSED = 7 * 24 * 60 * 60_000

/**
 * Does nothing while another deploy holds the lock: that deploy cleans up after itself.
 * @param keep verified releases to keep, the current one included
 * @param activation of this run, whose process may still be releasing the lock
 */
export async function cleanUp(
  layout: Layout,
  keep: number,
  activation: string | null = null,
  alive: () => void = () => undefined,
): Promise<Omit<Result<'cleanup'>, 'runtimes'>> {
  const lock = await lockUnlessHeld(layout, activation)
  if (typeof lock === 'string')
    return { removed: [], inUse: [], kept: await releaseIds(layout), leftTo: lock, written: [] }
  try {
    await endOrphanedCandidates(layout)
    const live = await liveRelease(layout)
    const ids = await releaseIds(layout)
    const doomed = await outdated(layout, keep, {
      ids,
      live,
      previous: await previousRelease(layout, live),
      verified: await verifiedAmong(layout, ids),
    })
    const used = await releasesInUse(layout, ids)
    // A release that was reported now stays until the next cleanup, so that its files can be fetched.
    const { written, fresh } = await reportWritten(layout, live, ids)
    const removed = doomed.filter((id) => !used.has(id) && !fresh.has(id))
    for (const id of removed) {
      await removeRelease(layout, id)
      alive()
    }
    await removeLeftovers(layout)
    await removeOldAgents(layout)
    await trimJournal(layout.journal)
    await dropPreparedLinks(layout)
    return {
      removed,
      inUse: doomed.filter((id) => used.has(id)),
      kept: ids.filter((id) => !removed.includes(id)),
      leftTo: null,
      written,
    }
  } finally {
    await lock.release()
  }
}

/** An activation releases the lock a moment after its verdict, in ms. */
const AFTERMATH = 5000

async function lockUnlessHeld({ lock }: Layout, activation: string | null): Promise<Lock | string> {
  let holder = ''
  const giveUp = async () => {
    const other = await lockedFor(lock)
    return other !== null && other !== activation
  }
  try {
    return await takeLock(lock, 'a cleanup', AFTERMATH, { onWait: (words) => (holder = words), giveUp })
  } catch (error) {
    if (!['locked', 'withdrawn'].includes(Failure.from(error).code)) throw error
    return holder
  }
}

/** The state that a cleanup decides by, now or after a run. */
interface Standing {
  /** Of all releases, oldest first. */
  readonly ids: readonly string[]
  readonly live: string | null
  readonly previous: string | null
  /** Oldest first. */
  readonly verified: readonly string[]
}

async function verifiedAmong(layout: Layout, ids: readonly string[]): Promise<readonly string[]> {
  const times = await Promise.all(ids.map((id) => activatedAt(layout, id).catch(() => null)))
  return ids.filter((_, index) => times[index] !== null)
}

/** Returns the releases that are no longer wanted; a process may still use one. */
async function outdated(
  layout: Layout,
  keep: number,
  { ids, live, previous, verified }: Standing,
): Promise<readonly string[]> {
  // Without a current release nothing tells which ones matter.
  if (live === null) return []
  const wanted = new Set([...verified.slice(-keep), live, previous])
  const claimed = await claimedReleases(layout, ids)
  return ids.filter((id) => !wanted.has(id) && !claimed.has(id) && id < live)
}

/** Returns what the cleanup after a run would remove, as things are now. @param release that the run would activate */
export async function releasesToRemove(
  layout: Layout,
  keep: number,
  release: string,
): Promise<readonly string[]> {
  const ids = await releaseIds(layout)
  const verified = new Set([...(await verifiedAmong(layout, ids)), release])
  const doomed = await outdated(layout, keep, {
    ids,
    live: release,
    previous: ids.includes(release) ? await previousRelease(layout, release) : await liveRelease(layout),
    verified: [...verified].sort(),
  })
  const used = await releasesInUse(layout, ids)
  return doomed.filter((id) => !used.has(id))
}

/** Returns the releases on their way: their session lives, or their activation waits for the lock. */
async function claimedReleases(layout: Layout, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const sent = ids.filter((id) => ownerLives(uploadOwner(releaseDirectory(layout, id))) === true)
  const jobs = (await readdir(layout.activations).catch(() => [])).filter((name) => name.endsWith('.json'))
  const waiting = await Promise.all(jobs.map((name) => releaseOf(join(layout.activations, name))))
  return new Set([...sent, ...waiting])
}

async function releaseOf(jobFile: string): Promise<string> {
  if (ownerLives(ownerOf(jobFile)) === false) return ''
  return (await readJob(jobFile))?.request.release ?? ''
}

/** Returns the releases that are a process's working directory, or that a worker's record names. */
export async function releasesInUse(layout: Layout, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const directories = [...workingDirectories().values()]
  // The kernel reports real paths, and the app's folder may be reached through a link.
  const releases = await realpath(layout.releases).catch(() => layout.releases)
  const workers = await readWorkers(layout.workers)
  return new Set(
    ids.filter((id) => {
      const directory = join(releases, id)
      return (
        workers.some(({ release }) => release === id) ||
        directories.some((used) => used === directory || used.startsWith(directory + sep))
      )
    }),
  )
}

async function removeLeftovers(layout: Layout): Promise<void> {
  const { incoming, activations, own, lock, workers, candidates } = layout
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name)
    const abandoned = ownerLives(uploadOwner(path)) !== true && (await isOlder(path, JUST_BEGUN))
    if (abandoned) await rm(path, { recursive: true, force: true })
  }
  for (const name of await readdir(activations)) {
    const path = join(activations, name)
    // A hook outlives its activation, and has an owner file of its own.
    const lives = ownerLives(ownerOf(path)) === true || ownerLives(path) === true
    if (!lives && (await isOlder(path, JUST_BEGUN))) await rm(path, { recursive: true, force: true })
  }
  await removeDeadWorkers(workers)
  for (const folder of [own, lock, workers, candidates, join(own, 'agent')]) {
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name)
      if (ASIDE.test(name) && (await isOlder(path, JUST_BEGUN)))
        await rm(path, { recursive: true, force: true })
    }
  }
}

/** Temporary names: such a file stays where its process was killed before the rename. */
const ASIDE = /^\.|\.tmp$|\.cjs\.\d+$/

/** The owner file beside any file of an activation. */
function ownerOf(path: string): string {
  return path.replace(/\.\w+$/, '.owner')
}

/** A session marks the agent that it loads as used (bootstrap.ts). */
async function removeOldAgents({ own }: Layout): Promise<void> {
  for (const name of await readdir(join(own, 'agent')).catch(() => [])) {
    const path = join(own, 'agent', name)
    if (await isOlder(path, AGENT_UNUSED)) await rm(path, { force: true })
  }
}

/** @param age in ms */
async function isOlder(path: string, age: number): Promise<boolean> {
  const stat = await lstat(path).catch(() => null)
  return stat !== null && Date.now() - stat.mtimeMs > age
}
