/** What was true when this process of the activation began. */
import type { Before, JournalEntry } from '../../protocol/messages.ts'
import { lately, type Share, sum, toShare } from '../../protocol/tally.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { Pm2App, Pm2Process } from '../pm2/client.ts'
import { describeOrphans } from '../pm2/orphans.ts'
import { recordsIn } from './decide.ts'
import type { Goal } from './goal.ts'
import type { Job } from './job.ts'
import { lived, restartsSince } from './lived.ts'
import { mayRunTogether } from './memory.ts'
import { type Replaced, replacesNothing } from './replaced.ts'
import type { State } from './state.ts'
import { type Times, timesOf } from './stay.ts'
import { isOurs, pm2App } from './workers.ts'
import type { World } from './world.ts'

export interface Facts {
  readonly target: Goal
  /** Null where there is none to restore, or it is damaged. */
  readonly previous: Goal | null
  /** The release that `current` pointed at before the swap, and the one to restore. */
  readonly before: Before
  /** An earlier process of this activation has begun to touch what is live. */
  readonly resumed: boolean
  readonly app: Pm2App
  readonly times: Times
  /** PM2's processes of the app. */
  readonly processes: readonly Pm2Process[]
  /** Whether there is memory for the old and the new workers at once. */
  readonly together: boolean
  /** How many of them were started in another way than by Gapless. */
  readonly foreign: number
  readonly replaced: Replaced
  /** What is to be said of workers that outlived PM2's daemon; null where there are none. */
  readonly orphans: string | null
  /** The steps that an earlier process has done. */
  readonly done: ReadonlySet<JournalEntry['step']>
  /** The worker that served the release as a canary; null: there was none. */
  readonly canary: number | null
  /** How the release before has done, and how many restarts PM2 counts of it since it is live; null: unknown. */
  readonly beforeTraffic: Share | null
  readonly beforeRestarts: number
  /** The same for people, of all the time that it was live. */
  readonly lived: string | null
}

/** @throws where the target cannot be read, or PM2 not asked */
export async function gatherFacts(world: World, job: Job, state: State): Promise<Facts> {
  const { request, appName } = job
  const target = await world.goal(request.release)
  const current = await world.current()
  const seen = await world.look({})
  const processes = seen.listed.map(({ process }) => process)
  const noted = 'before' in state ? state.before : null
  const resumed = state.at !== 'prepared'
  const found = await world.findReplaced()
  // What an interrupted activation has replaced is not there to be seen any more. One that went live is not interrupted.
  const isInterrupted = resumed || (replacesNothing(found) && !(await isVerified(world, current)))
  const replaced = (isInterrupted && (await world.readReplaced())) || found
  const before = noted ?? (await beforeSwap(world, job, { current, resumed, replaced }))
  const { previous: back } = before
  // A previous release that is damaged must not keep a good one from going live.
  const previous = back === null ? null : await world.goal(back).catch(() => null)
  const times = timesOf(previous === null ? [target.runtime] : [target.runtime, previous.runtime])
  const app = pm2App(job.base, appName, target, times)
  const records = recordsIn(seen)
  // What an earlier process had asked for runs beside the old workers already, and has its memory.
  const there = resumed ? records.filter((record) => record.release === request.release).length : 0
  const instances = world.instancesOf(target.runtime) - there
  const entries = await world.entries()
  const others = records.filter(({ release, phase }) => release !== request.release && phase === 'open')
  const own = entries.filter(({ activation }) => activation === request.activation)
  return {
    target,
    previous,
    before,
    resumed,
    app,
    times,
    processes,
    together: mayRunTogether(processes, instances, await world.freeMemory()),
    foreign: processes.filter((process) => !isOurs(process, app)).length,
    replaced,
    orphans: describeOrphans(records),
    done: new Set(own.filter((entry) => entry.state === 'done').map(({ step }) => step)),
    canary: own.findLast((entry) => entry.canary !== null)?.canary?.pid ?? null,
    beforeTraffic: shareOf(others, world.sinceBoot(), request.watchMs),
    beforeRestarts: restartsSince(entries, current, processes),
    lived: resumed ? null : lived(entries, current, processes, records),
  }
}

function shareOf(records: readonly WorkerRecord[], now: number, ms: number): Share | null {
  const counts = records.flatMap(({ traffic }) => traffic ?? [])
  return counts.length === 0 ? null : toShare(sum(counts.map((traffic) => lately(traffic, now, ms))))
}

async function isVerified(world: World, release: string | null): Promise<boolean> {
  return release !== null && (await world.isVerified(release))
}

interface Found {
  readonly current: string | null
  readonly resumed: boolean
  readonly replaced: Replaced
}

/** For an activation whose journal does not say: a new one, or one that version 0.1 began. */
async function beforeSwap(
  world: World,
  { request }: Job,
  { current, resumed, replaced }: Found,
): Promise<Before> {
  const { release, replaces } = request
  const live = resumed && current === release ? replaces : current
  // `current` is somebody else's, and no worker of ours runs: what ours served once is not what serves.
  const isElsewhere = replaced.current !== null && !replaced.besideOurs
  return { current: live, previous: isElsewhere ? null : await fallback(world, live, release) }
}

/**
 * The release to restore: the current one, also from itself, whose workers are then restarted. Where an activation was
 * interrupted `current` points at a release that was never shown to serve; then the last that was.
 */
async function fallback(world: World, live: string | null, target: string): Promise<string | null> {
  if (await isVerified(world, live)) return live
  const verified = await world.previousRelease(live, target)
  return verified ?? (live === target ? null : live)
}
