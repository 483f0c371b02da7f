/** The way back: the previous release is put in its place, and shown to serve. Nothing here may throw. */
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../common/failure.ts'
import type { ActivationStep, Verdict } from '../../protocol/messages.ts'
import { askHealth } from '../../common/health.ts'
import { sinceBoot } from '../../common/since-boot.ts'
import { runsUnder } from '../pm2/client.ts'
import { daemonPid } from '../pm2/daemon.ts'
import { repairLauncher } from '../store/launcher.ts'
import { pointCurrentAt } from '../store/releases.ts'
import { troubleOf } from '../system/trouble.ts'
import { readWorkers } from '../pm2/workers.ts'
import { bringUp, trim } from './bring-up.ts'
import { carryOldStatic } from './carry.ts'
import type { Activation } from './context.ts'
import { daemonLogSince, lastLines, logsSince } from './evidence.ts'
import { listWorkers, pm2App, servedRelease, serves, toStates } from './fleet.ts'
import { stopAll } from './halt.ts'
import type { Goal } from './goal.ts'
import { heal } from './heal.ts'
import { instancesOf } from './instances.ts'
import { availableMemory, mayRunTogether } from './memory.ts'
import { observe } from './observe.ts'
import { forgetReplaced, putBack, replacesNothing } from './replaced.ts'
import { dismissForgotten } from './signals.ts'

/** @param during the step that failed */
export async function restore(
  activation: Activation,
  during: ActivationStep,
  error: unknown,
): Promise<Verdict> {
  const { previous, layout, step } = activation
  const launcher = previous === null ? null : await soundLauncher(activation, previous.release)
  // First of all: whatever PM2 starts from now on is the previous release.
  const pointed =
    previous === null ? undefined : activation.withRoom(() => pointCurrentAt(layout, previous.release))
  const problem = await pointed?.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (launcher !== null) await activation.journal.note('rollback', launcher)
  const failure = await withEvidence(activation, during, troubleOf(error))
  try {
    if (problem !== undefined) throw problem
    // The workers that PM2 has told to leave may be the only ones that serve.
    await activation.announce({ observe: false, stay: activation.times.stay }).catch(() => undefined)
    if (previous === null) {
      await step('rollback', nothingToGoBackTo, () => leaveStopped(activation))
      return await verdict(activation, 'down', failure)
    }
    await step('rollback', `back to ${previous.release}`, () => goBackWhateverDies(activation, previous))
    return await verdict(activation, 'restored', failure)
  } catch (cause) {
    const both = failure.reworded(`${failure.message}; then ${troubleOf(cause).message}`, {
      remedy: 'The app needs hands: look at `pm2 list` and `pm2 logs` on the server.',
    })
    return verdict(activation, 'down', both)
  }
}

/** One that cannot be put right is no reason to stay with a release that fails. @returns what there is to tell */
async function soundLauncher({ layout, withRoom }: Activation, release: string): Promise<string | null> {
  return withRoom(() => repairLauncher(layout, release)).catch((error: unknown) => (error as Error).message)
}

const nothingToGoBackTo = 'there is no release to go back to'
const leftStopped = `${nothingToGoBackTo}: the app is left stopped`

/** A daemon that dies in the middle takes all workers with it; under the next one it is begun anew. */
async function goBackWhateverDies(activation: Activation, previous: Goal): Promise<void> {
  const daemon = () => daemonPid(activation.job.pm2Home)
  const before = await daemon()
  await goBack(activation, previous).catch(async (error: unknown) => {
    if ((await daemon()) === before) throw error
    return goBack(activation, previous)
  })
}

/**
 * Beside old workers that stay, the failed release's are restarted: whatever state they are in, they are out of the
 * way at once. It takes their drain, and where the old workers cannot stay as long nobody would serve at its end. A
 * release that answers, such as one whose `post-activate` failed after minutes, then serves until a reload has put
 * the old one in its place.
 */
async function goBack(activation: Activation, previous: Goal): Promise<void> {
  const { job, layout, pm2, appName, target, times } = activation
  const { release, runtime } = previous
  // The failed release may have served for a moment, although it was never shown to.
  await carryOldStatic(activation, release, [target.release])
  const app = pm2App(layout, appName, previous, times)
  const instances = instancesOf(runtime, activation.daemon)
  const present = await pm2.list(appName)

  const oneByOne = async () => {
    // The workers that were told to stay hold the places that a reload needs.
    await activation.announce({ stay: 0 }).catch(() => undefined)
    const together = mayRunTogether(present, instances, availableMemory(await daemonPid(job.pm2Home)))
    await bringUp(activation, app, release, instances, together, times.heal)
  }
  const left = await othersStay(activation, previous)
  const heals = left > 0 && (left >= times.heal || !(await stillServes(activation)))
  const healed =
    heals && (await heal(activation, app.options, previous, target.release, instances, times.heal))
  if (!healed) await oneByOne()
  // PM2 itself may have started a worker anew, under the failed release's options.
  if (!(await pm2.list(appName)).every((process) => runsUnder(process, app.options))) await oneByOne()

  await shown(activation, previous, instances)
  await trim(activation, instances)
  await dismissForgotten(activation)
}

/** How long workers of a release other than the failed one take traffic, in ms; 0 where none does. */
async function othersStay({ layout, target }: Activation, previous: Goal): Promise<number> {
  const workers = await readWorkers(layout.workers)
  const open = workers.filter(({ candidate, phase }) => !candidate && phase === 'open')
  const itself = previous.release === target.release
  const others = open.filter(({ release }) => itself || release !== target.release)
  const now = sinceBoot()
  return Math.max(0, ...others.map(({ leavesAt }) => (leavesAt === null ? Infinity : leavesAt - now)))
}

/** Whether any worker of the failed release would serve on. */
async function stillServes(activation: Activation): Promise<boolean> {
  const { release, runtime } = activation.target
  const open = (await listWorkers(activation)).filter((worker) => serves(worker, release))
  const answers = await Promise.all(
    open.map(({ record }) => askHealth('127.0.0.1', record!.port, runtime.health)),
  )
  return answers.some(({ healthy }) => healthy)
}

/** Its workers took traffic as soon as they answered: they may become healthy a little later. */
async function shown(activation: Activation, { release, runtime }: Goal, instances: number): Promise<void> {
  const deadline = performance.now() + runtime.health.timeoutMs
  for (;;) {
    try {
      const workers = (await listWorkers(activation)).filter((worker) => serves(worker, release))
      if (workers.length === 0) throw new Failure('restore-failed', `no worker serves ${release}`)
      return await observe(activation, release, workers.slice(0, instances), { ...runtime, observeMs: 0 })
    } catch (error) {
      if (performance.now() >= deadline) throw error
      await delay(runtime.health.intervalMs)
    }
  }
}

/** A first deploy has nothing to go back to, unless it replaced what somebody else made. */
async function leaveStopped(activation: Activation): Promise<string> {
  const { pm2, layout, live, replaced, takenUp, target } = activation
  const foreign = replaced.processes
  // Whatever keeps the failed release's workers, what was there before comes back as soon as they make room.
  const stopped = await stopAll(activation, foreign.length === 0).then(
    () => null,
    (error: unknown) => error,
  )
  if (stopped !== null && foreign.length === 0) throw stopped
  // After a crash behind the swap the link points at the target itself. What is put back replaces the link in one step.
  if ((takenUp || live !== target.release) && replaced.current === null) {
    await rm(layout.current, { force: true })
  }
  if (replacesNothing(replaced)) return leftStopped
  if (foreign.length > 0) {
    for (const { id } of await pm2.list(activation.appName)) pm2.remove(id).catch(() => undefined)
  }
  return `${nothingToGoBackTo}: ${await putBack(activation, replaced)}`
}

async function verdict(
  activation: Activation,
  status: 'restored' | 'down',
  failure: Failure,
): Promise<Verdict> {
  // Whatever came of it, this was the last time that anybody goes back to that.
  await forgetReplaced(activation.layout).catch(() => undefined)
  const workers = await listWorkers(activation).catch(() => [])
  return {
    status,
    live: status === 'restored' ? activation.previous!.release : servedRelease(workers),
    previous: activation.live,
    rollsBackTo: null,
    notFound: '',
    failure: failure.toRecord(),
    workers: toStates(workers),
  }
}

async function withEvidence(
  { job, pm2, appName, logs }: Activation,
  during: ActivationStep,
  failure: Failure,
): Promise<Failure> {
  const text = await pm2.list(appName).then(
    (processes) => logsSince(processes, logs),
    () => '',
  )
  const daemon = await daemonLogSince(job.pm2Home, logs)
  const parts = [failure.evidence ?? '', lastLines(daemon), lastLines(text)]
  const evidence = parts.filter((part) => part !== '').join('\n')
  const remedy = failure.remedy ?? remedies[failure.code]
  const message = `${failure.message} (during ${during})`
  return failure.reworded(message, remedy === undefined ? { evidence } : { evidence, remedy })
}

/** Only now there is evidence to point at. */
const remedies: Readonly<Record<string, string>> = {
  'worker-died':
    'Look at its last lines in the evidence. Where it was healthy on a spare port, what differs under PM2 is ' +
    '`app-port`, `max-memory` and the memory that is left.',
  'worker-unhealthy':
    'Look at its last lines in the evidence, and at what the health check was answered. Where it was healthy on a ' +
    'spare port, what differs under PM2 is that other workers run beside it.',
}
