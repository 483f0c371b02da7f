/** What the steps of one activation share: facts that were true when it began, and its few tools. */
import { stat } from 'node:fs/promises'
import type { ActivationRequest, ActivationStep, Before, JournalEntry } from '../../protocol/messages.ts'
import { type ActivationFile, activationFile } from '../../worker/activation-file.ts'
import { startTimeOf } from '../../common/process-identity.ts'
import { withRoom as tryWithRoom } from '../system/ballast.ts'
import { writeFileAtomic } from '../system/files.ts'
import { previousRelease } from '../store/history.ts'
import type { Journal } from './journal.ts'
import { type Layout, layoutOf } from '../store/layout.ts'
import type { Pm2, Pm2App, Pm2Process } from '../pm2/client.ts'
import { daemonPid } from '../pm2/daemon.ts'
import { activatedAt, liveRelease } from '../store/releases.ts'
import { daemonLog } from './evidence.ts'
import { isOurs, pm2App, programOf } from './fleet.ts'
import { type Goal, readGoal } from './goal.ts'
import { hasSwapped, wasSucceeded } from './interrupted.ts'
import { activationFiles, type Job } from './job.ts'
import { lookAtReplaced, readReplaced, type Replaced, replacesNothing } from './replaced.ts'
import { type Times, timesOf } from './stay.ts'

/** What changes in the course of an activation. */
type News = Pick<ActivationFile, 'observe' | 'stay' | 'halt'>

export interface Activation {
  readonly job: Job
  readonly layout: Layout
  readonly pm2: Pm2
  readonly appName: string
  readonly target: Goal
  /** Where a failure goes back to; null on a first deploy. */
  readonly previous: Goal | null
  /** What `current` points at now. */
  readonly current: string | null
  /** What `current` pointed at before its swap. */
  readonly live: string | null
  /** What this activation has journalled before: not empty where its first process died. */
  readonly history: readonly JournalEntry[]
  /** Its first process died after it had begun to swap. */
  readonly takenUp: boolean
  /** Its first process died, and another activation has swapped since. */
  readonly succeeded: boolean
  readonly app: Pm2App
  readonly times: Times
  /** PM2's processes when it began. */
  readonly before: readonly Pm2Process[]
  /** PM2's daemon when it began. */
  readonly daemon: number | null
  /** What Gapless did not make, and this activation takes the place of. */
  readonly replaced: Replaced
  /** How long the workers' logs and PM2's own were when it began, in bytes. */
  readonly logs: ReadonlyMap<string, number>
  readonly journal: Journal
  /** Runs one step, and journals its begin and its end. What it returns is told, where it is text. */
  step<T>(
    name: ActivationStep,
    detail: string,
    act: () => Promise<T>,
    facts?: Partial<Pick<JournalEntry, 'before' | 'cause'>>,
  ): Promise<T>
  /** Does what needs a little room on the disk, and makes room where there is none. */
  withRoom<T>(act: () => Promise<T>): Promise<T>
  /** Tells the workers what is going on: see activation-file.ts. */
  announce(news: Partial<News>): Promise<void>
}

/**
 * @param entries what the journal has, of all activations
 * @throws where the target cannot be read; nothing has been touched then
 */
export async function beginActivation(
  job: Job,
  journal: Journal,
  entries: readonly JournalEntry[],
  pm2: Pm2,
): Promise<Activation> {
  const layout = layoutOf(job.base)
  const { appName, request } = job
  const target = await readGoal(layout, request.release)
  const current = await liveRelease(layout)
  const history = entries.filter(({ activation }) => activation === request.activation)
  // After the swap `current` says nothing about what was there before it.
  const noted = history.find(({ before }) => before !== null)?.before ?? null
  const all = await pm2.all()
  const daemon = await daemonPid(job.pm2Home)
  const processes = await pm2.list(appName)
  const ours = processes.filter((process) => isOurs(process, programOf(layout)))
  const foreign = processes.filter((process) => !ours.includes(process))
  const takenUp = hasSwapped(entries, request.activation)
  const found = await lookAtReplaced(layout, { ours, foreign }, { all, daemon })
  // What an activation whose process died had replaced is not there to be seen any more.
  const replaced = ((takenUp || replacesNothing(found)) && readReplaced(layout)) || found
  // Somebody else's `current`, and none of our workers: what ours served at some time in the past is not what serves.
  const isElsewhere = replaced.current !== null && !replaced.besideOurs
  const { current: live, previous: back } =
    noted ?? (await beforeSwap(layout, request, { current, takenUp, isElsewhere }))
  // A previous release that is damaged must not keep a good one from going live.
  const previous = back === null ? null : await readGoal(layout, back).catch(() => null)
  const times = timesOf(previous === null ? [target.runtime] : [target.runtime, previous.runtime])
  let news: News = { observe: true, stay: times.stay, halt: false }
  const { ballast } = activationFiles(layout, request.activation)
  const withRoom = <T>(act: () => Promise<T>) => tryWithRoom(ballast, act)
  return {
    job,
    layout,
    pm2,
    appName,
    target,
    previous,
    current,
    live,
    history,
    takenUp,
    succeeded: wasSucceeded(entries, request.activation),
    app: pm2App(layout, appName, target, times),
    times,
    before: processes,
    daemon,
    replaced,
    logs: await logSizes([
      daemonLog(job.pm2Home),
      ...processes.flatMap(({ errorLog, outLog }) => [errorLog, outLog]),
    ]),
    journal,
    async step(name, detail, act, facts) {
      await journal.begin(name, detail, facts)
      try {
        const result = await act()
        await journal.done(name, typeof result === 'string' ? result : detail)
        return result
      } catch (error) {
        await journal.failed(name, (error as Error).message)
        throw error
      }
    },
    withRoom,
    announce: (change) => {
      news = { ...news, ...change }
      const self = { pid: process.pid, startTime: startTimeOf(process.pid) ?? '' }
      const content: ActivationFile = { ...self, target: target.release, ...news }
      return withRoom(() => writeFileAtomic(activationFile(layout.base), JSON.stringify(content), 0o600))
    },
  }
}

interface Found {
  readonly current: string | null
  readonly takenUp: boolean
  /** `current` is somebody else's, and no worker of ours runs. */
  readonly isElsewhere: boolean
}

/** What `current` points at, and the release to restore, for an activation whose journal does not say. */
async function beforeSwap(
  layout: Layout,
  { release: target, replaces }: ActivationRequest,
  { current, takenUp, isElsewhere }: Found,
): Promise<Before> {
  const isOwn = takenUp && current === target
  const live = isOwn ? replaces : current
  return { current: live, previous: isElsewhere ? null : await fallback(layout, live, target) }
}

/**
 * The release to go back to: the live one, also from itself, whose workers are then started anew. Where an
 * activation was interrupted `current` points at a release that was never shown to serve; then the last that was.
 */
async function fallback(layout: Layout, live: string | null, target: string): Promise<string | null> {
  if (live !== null && (await activatedAt(layout, live).catch(() => null)) !== null) return live
  const verified = await previousRelease(layout, live, target)
  return verified ?? (live === target ? null : live)
}

async function logSizes(files: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const sizes = files.map(async (file) => [file, (await stat(file).catch(() => ({ size: 0 }))).size] as const)
  return new Map(await Promise.all(sizes))
}
