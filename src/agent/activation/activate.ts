/** The way forward: pre-activate → swap → reload → health-check, and back when any of it fails. */
import { rm } from 'node:fs/promises'
import { Failure } from '../../common/failure.ts'
import type { ActivationStep, Verdict } from '../../protocol/messages.ts'
import { activationFile } from '../../worker/activation-file.ts'
import { assertClaims } from '../pm2/claims.ts'
import { exists } from '../system/files.ts'
import { markServing, previousRelease } from '../store/history.ts'
import { assertLauncher, repairLauncher } from '../store/launcher.ts'
import { releaseDirectory } from '../store/layout.ts'
import { withdrawn } from '../system/lock.ts'
import { liveRelease, pointCurrentAt, prepareLink } from '../store/releases.ts'
import { daemonPid } from '../pm2/daemon.ts'
import { assertMayMove, assertNoOtherDoor } from '../pm2/port.ts'
import { readWorkers } from '../pm2/workers.ts'
import { carryOldStatic } from './carry.ts'
import type { Activation } from './context.ts'
import { bringUp, trim, untilReplaced } from './bring-up.ts'
import { isOurs, listWorkers, toStates, type Worker } from './fleet.ts'
import { observe, untilOthersLeft } from './observe.ts'
import { runHook } from './hooks.ts'
import { instancesOf } from './instances.ts'
import { activationFiles } from './job.ts'
import { availableMemory, mayRunTogether } from './memory.ts'
import { assertNotOvertaken, yieldToNewer } from './overtaken.ts'
import { forgetReplaced, listOf, writeReplaced } from './replaced.ts'
import { restore } from './restore.ts'
import { dismissForgotten } from './signals.ts'

/** Old workers look at the activation file this often at the most, with room for a busy machine, in ms. */
const DOORS_CLOSE = 10_000

/** Throws only while nothing live has been touched. */
export async function activate(activation: Activation): Promise<Verdict> {
  const yielded = await yieldToNewer(activation)
  if (yielded !== null) return yielded
  const { layout, target, live, journal, step } = activation
  const { release, runtime } = target
  // Its first process died after the swap: then there is no way out but forward or back.
  let swapped = activation.takenUp
  let current: ActivationStep = 'swap'
  let remembered = false
  try {
    const { how, foreign, together } = await prepare(activation)
    await step('swap', describeSwap(activation), async () => {
      await assertWanted(activation)
      await proveLauncher(activation)
      await activation.withRoom(() => writeReplaced(layout, activation.replaced))
      remembered = true
      // The rename of the link is the one moment that counts: before it nothing live has changed.
      await activation.withRoom(() => pointCurrentAt(layout, release))
      swapped = true
      journal.letGo()
    })
    current = 'reload'
    const workers = await step('reload', how, () => reload(activation, foreign, together))
    current = 'health-check'
    await step('health-check', `${runtime.health.path}, observed for ${runtime.observeMs} ms`, async () => {
      await observe(activation, release, workers, runtime)
      // Whoever took no lock of ours may have come to the same port meanwhile.
      await assertNoOtherDoor(layout.base, runtime, await activation.pm2.all())
      await hook(activation, 'post-activate')
      await dismissOthers(activation)
      await checkAlone(activation, workers)
    })
  } catch (error) {
    const untouched = !swapped && (live === release || (await liveRelease(layout).catch(() => live)) === live)
    if (untouched) {
      // Not what another activation remembers, which died and is still to be resumed.
      if (remembered) await forgetReplaced(layout).catch(() => undefined)
      throw error
    }
    journal.letGo()
    return restore(activation, current, error)
  }
  return settle(activation)
}

interface Preparation {
  readonly how: string
  /** Processes of this name that were started in another way. */
  readonly foreign: number
  readonly together: boolean
}

/** All that can be found out or done beforehand: from the swap on every second counts, and the disk may be full. */
async function prepare(activation: Activation): Promise<Preparation> {
  const { job, layout, appName, pm2, target, previous, live, before, replaced, app } = activation
  const { times, takenUp, announce, journal } = activation
  const { release, runtime } = target
  const foreign = before.filter((process) => !isOurs(process, app)).length

  await assertWanted(activation)
  if (job.request.kind === 'deploy' && live !== null && live !== release) {
    await assertNotOvertaken(layout, job.request.run, live)
  }
  const records = await readWorkers(layout.workers)
  const daemon = await daemonPid(job.pm2Home)
  // What its first process, which died, had asked for runs beside the old workers already, and has its memory.
  const there = takenUp
    ? records.filter((worker) => worker.release === release && !worker.candidate).length
    : 0
  const together = mayRunTogether(
    before,
    instancesOf(runtime, activation.daemon) - there,
    availableMemory(daemon),
  )
  // What has swapped may listen there already.
  const said = takenUp ? null : job.request.said
  await assertClaims(
    { layout, appName, address: runtime, said },
    { all: await pm2.all(), daemon, program: await pm2.program() },
  )
  const serving = before.length > 0 && foreign === 0
  if (serving && previous !== null && !takenUp) assertMayMove(previous.runtime, runtime)
  if (!isDone(activation, 'pre-activate')) await hook(activation, 'pre-activate')
  await carryOldStatic(activation, release)
  await activation.withRoom(() => prepareLink(layout, release))
  if (previous !== null && previous.release !== release) {
    await activation.withRoom(() => prepareLink(layout, previous.release))
  }
  if (!takenUp) {
    // Those that stay for an activation that died need not any more: what PM2 had begun for it has long come to its end.
    await rm(activationFile(layout.base), { force: true })
    await untilReplaced(activation, app.options.kill_timeout)
  }
  if (replaced.current !== null) {
    await journal.note('swap', `current points at "${replaced.current}", which Gapless did not deploy`)
  }
  // Where nobody serves while the new workers boot, letting them wait would only lengthen the gap.
  await announce({ observe: foreign === 0, stay: together ? times.stay : 0 })
  return { how: describeReload(activation, foreign, together), foreign, together }
}

function isDone({ history }: Activation, name: ActivationStep): boolean {
  return history.some(({ step, state }) => step === name && state === 'done')
}

/** @throws Failure `withdrawn` when the run was cancelled meanwhile */
async function assertWanted(activation: Activation): Promise<void> {
  const { job, layout } = activation
  // What has swapped is finished, whoever takes it up.
  if (activation.takenUp) return
  if (await exists(activationFiles(layout, job.request.activation).withdrawn)) throw withdrawn()
}

/** What has to come back, or has swapped already, is helped where it can be. @throws Failure `release-damaged` */
async function proveLauncher({ job, layout, target, takenUp, journal, withRoom }: Activation): Promise<void> {
  const { release } = target
  if (job.request.kind !== 'restore' && !takenUp) return assertLauncher(layout, release)
  const repaired = await withRoom(() => repairLauncher(layout, release))
  if (repaired !== null) await journal.note('swap', repaired)
}

async function hook(activation: Activation, name: 'pre-activate' | 'post-activate'): Promise<void> {
  const { job, layout, target, step, journal } = activation
  const { activation: id, preActivate, postActivate } = job.request
  const commands = name === 'pre-activate' ? preActivate : postActivate
  if (commands === null) return
  const directory = releaseDirectory(layout, target.release)
  const { hookLog: log, hookOwner: owner } = activationFiles(layout, id)
  const run = () => runHook({ name, commands, directory, runtime: target.runtime, log, owner })
  if (name === 'pre-activate') await step(name, name, run)
  else await journal.note('health-check', `${name}: ${await run()}`)
}

/** Brings every worker to the target. What was started in another way is removed first: that is the gap. */
async function reload(
  activation: Activation,
  foreign: number,
  together: boolean,
): Promise<readonly Worker[]> {
  const { pm2, before, app, target } = activation
  const { release, runtime } = target
  if (foreign > 0) for (const { id } of before) await pm2.remove(id)
  const timeout = runtime.health.timeoutMs + runtime.observeMs
  return bringUp(activation, app, release, instancesOf(runtime, activation.daemon), together, timeout)
}

function describeSwap({ target, replaced: { current } }: Activation): string {
  const swap = `current -> releases/${target.release}`
  return current === null
    ? swap
    : `${swap}; it replaces current -> ${current}, which is put back if this deploy fails`
}

function describeReload(
  { before, daemon, replaced, target }: Activation,
  foreign: number,
  together: boolean,
): string {
  const remarks = [`${instancesOf(target.runtime, daemon)} workers`]
  if (foreign > 0) {
    remarks.push(
      `started anew, with a short gap: Gapless did not start ${foreign} of the ${before.length} before`,
    )
    const { addresses } = replaced
    if (addresses.length > 0) remarks.push(`before, the app listened on ${listOf(addresses)}`)
  }
  if (!together) remarks.push('one after the other, because memory is short')
  return remarks.join('; ')
}

/** Lets the workers of other releases leave: from here on every answer is the new release's. */
async function dismissOthers(activation: Activation): Promise<void> {
  const { layout, target } = activation
  await bestEffort(
    activation,
    trim(activation, instancesOf(target.runtime, activation.daemon)),
    'Could not remove surplus workers',
  )
  await bestEffort(
    activation,
    rm(activationFile(layout.base), { force: true }),
    'Could not tell the old workers to leave',
  )
  await bestEffort(
    activation,
    dismissForgotten(activation),
    'Could not tell workers that PM2 does not list to leave',
  )
  if (!(await untilOthersLeft(activation, target.release, DOORS_CLOSE).catch(() => false))) {
    await activation.journal.note('health-check', 'Workers of another release still take requests.')
  }
}

/**
 * Checks every new worker once more, without the old ones. Until here they took a share of all requests to the public
 * address, those of the new release to itself included.
 * @throws Failure as `observe` does
 */
async function checkAlone(activation: Activation, workers: readonly Worker[]): Promise<void> {
  const { release, runtime } = activation.target
  await observe(activation, release, workers, { ...runtime, observeMs: 0 }).catch((error: unknown) => {
    const failure = Failure.from(error)
    throw failure.reworded(`${failure.message} (after the previous release had stopped serving)`, {
      remedy:
        'Check what the new release requests from its own public address: until then, the previous release answered ' +
        'some of these requests. Then read the last log lines in the evidence.',
    })
  })
}

/** The release is live: no failure from here on takes it back. */
async function settle(activation: Activation): Promise<Verdict> {
  const { job, layout, target, live, pm2 } = activation
  const { release } = target
  const { activation: id, kind, replaces } = job.request
  const serving = { activation: id, kind, replaced: replaces ?? live }
  await bestEffort(
    activation,
    activation.withRoom(() => markServing(layout, release, serving)),
    'Could not mark the release as verified',
  )
  await bestEffort(activation, forgetReplaced(layout), 'Could not forget what the release replaced')
  await bestEffort(activation, pm2.save(), 'PM2 could not save its process list for the next boot')
  const workers = await listWorkers(activation).catch(() => [])
  const rollsBackTo = await previousRelease(layout, release).catch(() => null)
  return {
    status: 'live',
    live: release,
    previous: live,
    rollsBackTo,
    failure: null,
    workers: toStates(workers),
  }
}

/** Notes a failure in the journal instead of throwing it. */
async function bestEffort({ journal }: Activation, act: Promise<unknown>, problem: string): Promise<void> {
  await act.catch((error: unknown) => journal.note('health-check', `${problem}: ${(error as Error).message}`))
}
