/** The way forward: pre-activate → swap → reload → health-check, and back when any of it fails. */
import { rm } from 'node:fs/promises'
import type { ActivationStep, Verdict } from '../../protocol/messages.ts'
import { activationFile } from '../../server/activation-file.ts'
import { releaseDirectory } from '../layout.ts'
import { liveRelease, markVerified, pointCurrentAt } from '../releases.ts'
import type { Activation } from './context.ts'
import { bringUp, trim } from './bring-up.ts'
import { isOurs, listWorkers, toStates, type Worker } from './fleet.ts'
import { observe, untilOthersLeft } from './observe.ts'
import { runHook } from './hooks.ts'
import { instancesOf } from './instances.ts'
import { mayRunTogether } from './memory.ts'
import { restore } from './restore.ts'

/** Old workers look at the activation file this often at the most, with room for a busy machine, in ms. */
const DOORS_CLOSE = 10_000

/** Throws only while nothing live has been touched. */
export async function activate(activation: Activation): Promise<Verdict> {
  const { job, layout, target, live, before, app, step } = activation
  const { release, runtime } = target
  const { preActivate, postActivate } = job.request
  const directory = releaseDirectory(layout, release)
  const foreign = before.filter((process) => !isOurs(process, app))
  const together = mayRunTogether(before, instancesOf(runtime))

  if (preActivate !== null) {
    await step('pre-activate', 'pre-activate', () => hook('pre-activate', preActivate))
  }
  const how = describeReload(activation, foreign.length, together)
  // Where nobody serves while the new workers boot, letting them wait would only lengthen the gap.
  await activation.announce({ observe: foreign.length === 0, stay: together })

  let current: ActivationStep = 'swap'
  try {
    await step('swap', `current -> releases/${release}`, () => pointCurrentAt(layout, release))
    current = 'reload'
    const workers = await step('reload', how, () => reload(activation, foreign.length, together))
    current = 'health-check'
    await step('health-check', `${runtime.health.path}, observed for ${runtime.observeMs} ms`, async () => {
      await observe(activation, release, workers, runtime)
      if (postActivate !== null) await hook('post-activate', postActivate)
    })
  } catch (error) {
    // The rename of the link is the one moment that counts: before it nothing live has changed.
    if (current === 'swap' && live !== release && (await liveRelease(layout).catch(() => live)) === live)
      throw error
    return restore(activation, current, error)
  }
  return settle(activation)

  async function hook(name: 'pre-activate' | 'post-activate', commands: string): Promise<void> {
    const output = await runHook(name, commands, directory, runtime)
    await activation.journal.note(name === 'pre-activate' ? name : 'health-check', `${name}: ${output}`)
  }
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
  return bringUp(activation, app, release, instancesOf(runtime), together, timeout)
}

function describeReload({ before, target }: Activation, foreign: number, together: boolean): string {
  const remarks = [`${instancesOf(target.runtime)} workers`]
  if (foreign > 0) {
    remarks.push(
      `started anew, with a short gap: Gapless did not start ${foreign} of the ${before.length} before`,
    )
  }
  if (!together) remarks.push('one after the other, because memory is short')
  return remarks.join('; ')
}

/** The release is live: what follows tidies up, and none of it can take that back. */
async function settle(activation: Activation): Promise<Verdict> {
  const { job, layout, target, journal, pm2 } = activation
  const { release, runtime } = target
  const remark = async (act: () => Promise<unknown>, what: string) => {
    await act().catch((error: unknown) =>
      journal.note('health-check', `${what}: ${(error as Error).message}`),
    )
  }
  await remark(
    () => markVerified(layout, release, job.request.activation),
    'the release could not be marked as verified',
  )
  await remark(() => trim(activation, instancesOf(runtime)), 'workers too many could not be removed')
  await remark(() => pm2.save(), 'PM2 could not save its list for the next boot')
  // The old workers served until now; from here on every answer is the new release's.
  await rm(activationFile(layout.base), { force: true })
  if (!(await untilOthersLeft(activation, release, DOORS_CLOSE))) {
    await journal.note('health-check', 'workers of another release still take requests')
  }
  return { status: 'live', live: release, failure: null, workers: toStates(await listWorkers(activation)) }
}
