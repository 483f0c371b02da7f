/** The way back: the previous release is put in its place, and shown to serve. Nothing here may throw. */
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../protocol/failure.ts'
import type { ActivationStep, Verdict } from '../../protocol/messages.ts'
import { lastLines } from '../candidate.ts'
import { daemonPid, runsUnder } from '../pm2.ts'
import { repairLauncher } from '../launcher.ts'
import { pointCurrentAt } from '../releases.ts'
import { troubleOf } from '../trouble.ts'
import { readWorkers } from '../workers.ts'
import { bringUp, trim } from './bring-up.ts'
import { carryOldStatic } from './carry.ts'
import type { Activation, Goal } from './context.ts'
import { logsSince } from './evidence.ts'
import { isOurs, listWorkers, pm2App, servedRelease, serves, toStates } from './fleet.ts'
import { stopAll } from './halt.ts'
import { heal } from './heal.ts'
import { instancesOf } from './instances.ts'
import { mayRunTogether } from './memory.ts'
import { observe } from './observe.ts'

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
    await activation.announce({ observe: false, stay: true }).catch(() => undefined)
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

const nothingToGoBackTo = 'there is no release to go back to: the app is left stopped'

/** A daemon that dies in the middle takes all workers with it; under the next one it is begun anew. */
async function goBackWhateverDies(activation: Activation, previous: Goal): Promise<void> {
  const daemon = () => daemonPid(activation.job.pm2Home)
  const before = daemon()
  await goBack(activation, previous).catch((error: unknown) => {
    if (daemon() === before) throw error
    return goBack(activation, previous)
  })
}

async function goBack(activation: Activation, previous: Goal): Promise<void> {
  const { layout, pm2, appName, target } = activation
  const { release, runtime } = previous
  // The failed release may have served for a moment, although it was never shown to.
  await carryOldStatic(activation, release, [target.release])
  const app = pm2App(layout, appName, runtime, target.runtime)
  const instances = instancesOf(runtime)
  const timeout = runtime.health.timeoutMs + runtime.drainTimeoutMs
  const present = await pm2.list(appName)

  const oneByOne = () =>
    bringUp(activation, app, release, instances, mayRunTogether(present, instances), timeout)
  // Where the failed release is all that still serves, its workers stay until their successors do.
  const healed =
    (await othersServe(activation)) && (await heal(activation, app.options, release, instances, timeout))
  if (!healed) await oneByOne()
  // PM2 itself may have started a worker anew, under the failed release's options.
  if (!(await pm2.list(appName)).every((process) => runsUnder(process, app.options))) {
    // The workers that were told to stay have their successors now, and hold the places that a reload needs.
    await activation.announce({ stay: false }).catch(() => undefined)
    await oneByOne()
  }

  await shown(activation, previous, instances)
  await trim(activation, instances)
}

/** Whether workers of a release other than the failed one take traffic. */
async function othersServe({ layout, target, live }: Activation): Promise<boolean> {
  const workers = await readWorkers(layout.workers)
  const open = workers.filter(({ candidate, phase }) => !candidate && phase === 'open')
  return live === target.release ? open.length > 0 : open.some(({ release }) => release !== target.release)
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

/** A first deploy has nothing to go back to, unless somebody else's app of this name was replaced. */
async function leaveStopped(activation: Activation): Promise<string> {
  const { pm2, layout, live, before, app, target } = activation
  await stopAll(activation)
  if (live !== target.release) await rm(layout.current, { force: true })
  const foreign = before.filter((process) => !isOurs(process, app))
  if (foreign.length === 0) return nothingToGoBackTo
  for (const { id } of await pm2.list(activation.appName)) await pm2.remove(id)
  for (const process of foreign) await pm2.revive(process)
  return `there is no release to go back to: what PM2 ran before under this name was started again`
}

async function verdict(
  activation: Activation,
  status: 'restored' | 'down',
  failure: Failure,
): Promise<Verdict> {
  const workers = await listWorkers(activation).catch(() => [])
  return {
    status,
    live: status === 'restored' ? activation.previous!.release : servedRelease(workers),
    previous: activation.live,
    failure: failure.toRecord(),
    workers: toStates(workers),
  }
}

async function withEvidence(
  { pm2, appName, logs }: Activation,
  during: ActivationStep,
  failure: Failure,
): Promise<Failure> {
  const text = await pm2.list(appName).then(
    (processes) => logsSince(processes, logs),
    () => '',
  )
  const evidence = [failure.evidence ?? '', lastLines(text)].filter((part) => part !== '').join('\n')
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
