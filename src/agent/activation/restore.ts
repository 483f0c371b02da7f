/** The way back: the previous release is put in its place, and shown to serve. */
import { rm } from 'node:fs/promises'
import { Failure } from '../../protocol/failure.ts'
import type { ActivationStep, Verdict } from '../../protocol/messages.ts'
import { lastLines } from '../candidate.ts'
import { liveRelease, pointCurrentAt } from '../releases.ts'
import type { Activation, Goal } from './context.ts'
import { bringUp } from './bring-up.ts'
import { logsSince } from './evidence.ts'
import { isOurs, listWorkers, toStates } from './fleet.ts'
import { heal, stopAll } from './heal.ts'
import { observe } from './observe.ts'
import { instancesOf } from './instances.ts'

/** @param during the step that failed */
export async function restore(
  activation: Activation,
  during: ActivationStep,
  error: unknown,
): Promise<Verdict> {
  const { previous, step } = activation
  const failure = await withEvidence(activation, during, Failure.from(error))
  try {
    // The previous release has proved itself before: its workers take traffic as soon as they answer.
    await activation.announce({ observe: false, stay: true })
    if (previous === null) {
      await step('rollback', 'there is no release to go back to: the app is left stopped', () =>
        leaveStopped(activation),
      )
      return await verdict(activation, 'down', failure)
    }
    await step('rollback', `back to ${previous.release}`, () => goBack(activation, previous))
    return await verdict(activation, 'restored', failure)
  } catch (cause) {
    const both = `${failure.message}; then ${Failure.from(cause).message}`
    const remedy = 'The app needs hands: look at `pm2 list` and `pm2 logs` on the server.'
    return verdict(
      activation,
      'down',
      new Failure(failure.code, both, { remedy, evidence: failure.evidence ?? '' }),
    )
  }
}

async function goBack(activation: Activation, { release, runtime }: Goal): Promise<void> {
  const { layout, pm2, appName, app } = activation
  await pointCurrentAt(layout, release)
  const instances = instancesOf(runtime)
  const timeout = runtime.health.timeoutMs + runtime.drainTimeoutMs
  if ((await pm2.list(appName)).length === 0) {
    await bringUp(activation, app, release, instances, true, timeout)
  } else {
    await heal(activation, release, instances, timeout)
  }
  const workers = (await listWorkers(activation)).slice(0, instances)
  await observe(activation, release, workers, { ...runtime, observeMs: 0 })
}

/** A first deploy has nothing to go back to, unless somebody else's app of this name was replaced. */
async function leaveStopped(activation: Activation): Promise<string> {
  const { pm2, layout, live, before, app, target } = activation
  await stopAll(activation)
  if (live !== target.release) await rm(layout.current, { force: true })
  const foreign = before.filter((process) => !isOurs(process, app))
  if (foreign.length === 0) return 'there is no release to go back to: the app is left stopped'
  for (const { id } of await pm2.list(activation.appName)) await pm2.remove(id)
  for (const process of foreign) await pm2.revive(process)
  return `there is no release to go back to: what PM2 ran before under this name was started again`
}

async function verdict(
  activation: Activation,
  status: 'restored' | 'down',
  failure: Failure,
): Promise<Verdict> {
  const workers = await listWorkers(activation).then(toStates, () => [])
  const serving = await liveRelease(activation.layout).catch(() => null)
  return { status, live: status === 'restored' ? serving : null, failure: failure.toRecord(), workers }
}

async function withEvidence(
  activation: Activation,
  during: ActivationStep,
  failure: Failure,
): Promise<Failure> {
  const { pm2, appName, logs } = activation
  const text = await pm2.list(appName).then(
    (processes) => logsSince(processes, logs),
    () => '',
  )
  const evidence = [failure.evidence ?? '', lastLines(text)].filter((part) => part !== '').join('\n')
  const remedy = failure.remedy === undefined ? {} : { remedy: failure.remedy }
  return new Failure(failure.code, `${failure.message} (during ${during})`, { ...remedy, evidence })
}
