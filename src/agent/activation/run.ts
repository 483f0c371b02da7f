/**
 * The activation: from the swap to the verdict, and back if need be. It runs detached from the SSH session, so
 * that it ends in a verdict whatever happens to the runner; the runner only reads the journal.
 */
import { rm } from 'node:fs/promises'
import { stat } from 'node:fs/promises'
import { Failure } from '../../protocol/failure.ts'
import type { ActivationStep, Verdict } from '../../protocol/messages.ts'
import { activationFile } from '../../server/activation-file.ts'
import { startTimeOf } from '../../server/process-identity.ts'
import { lastLines } from '../candidate.ts'
import { exists, writeFileAtomic } from '../files.ts'
import { type Journal, openJournal } from '../journal.ts'
import { layoutOf, releaseDirectory } from '../layout.ts'
import { takeLock } from '../lock.ts'
import { connectPm2, type Pm2, type Pm2Process } from '../pm2.ts'
import { liveRelease, markVerified, pointCurrentAt, previousRelease, readRuntime } from '../releases.ts'
import {
  bringUp,
  heal,
  isOurs,
  listWorkers,
  logsSince,
  observe,
  pm2App,
  stopAll,
  toStates,
  trim,
  untilOthersLeft,
  untilServing,
} from './fleet.ts'
import { runHook } from './hooks.ts'
import { instancesOf } from './instances.ts'
import type { Job } from './job.ts'

/** Old workers look at the activation file this often at the most, with room for a busy machine, in ms. */
const DOORS_CLOSE = 10_000

export async function runActivation(job: Job): Promise<Verdict> {
  const layout = layoutOf(job.base)
  const journal = openJournal(layout.journal, job.activation)
  let pm2: Pm2 | undefined
  let verdict: Verdict
  try {
    await journal.begin('lock', 'waiting for the lock')
    const lock = await takeLock(
      layout.lock,
      job.request.run.runUrl || job.activation,
      job.request.lockTimeoutMs,
      (holder) => void journal.note('lock', `waiting for ${holder}`),
    )
    await journal.done('lock', 'locked')
    try {
      pm2 = await connectPm2({ path: job.pm2Path, version: job.pm2Version }, job.pm2Home)
      verdict = await activate(job, journal, pm2)
    } finally {
      await rm(activationFile(layout.base), { force: true })
      await lock.release()
    }
  } catch (error) {
    const live = await liveRelease(layout).catch(() => null)
    verdict = { status: 'kept', live, failure: toRecord(Failure.from(error)), workers: [] }
  }
  pm2?.close()
  await journal.verdict(verdict)
  return verdict
}

/** Throws only while nothing live has been touched. */
async function activate(job: Job, journal: Journal, pm2: Pm2): Promise<Verdict> {
  const layout = layoutOf(job.base)
  const { release, preActivate, postActivate } = job.request
  const fleet = { layout, pm2, appName: job.appName }
  const directory = releaseDirectory(layout, release)
  if (!(await exists(directory)))
    throw new Failure('unknown-release', `release ${release} is not on the server`)

  const live = await liveRelease(layout)
  // Going back to the release that is live already has nothing else to fall back on.
  const previous = live === release ? null : (live ?? (await previousRelease(layout, null)))
  const runtime = await readRuntime(layout, release)
  const previousRuntime = previous === null ? null : await readRuntime(layout, previous)
  const app = pm2App(layout, job.appName, runtime, previousRuntime)
  const instances = instancesOf(runtime)
  const before = await pm2.list(job.appName)
  const logs = await logSizes(before)
  const announce = (abandoned: boolean) =>
    writeFileAtomic(
      activationFile(layout.base),
      JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid), target: release, abandoned }),
      0o600,
    )

  if (preActivate !== null) {
    await step('pre-activate', 'running pre-activate', async () =>
      runHook('pre-activate', preActivate, directory, runtime),
    )
  }
  await announce(false)

  let current: ActivationStep = 'swap'
  try {
    await step('swap', `current -> releases/${release}`, async () => {
      await pointCurrentAt(layout, release)
      return `current -> releases/${release}`
    })
  } catch (error) {
    // The rename is the one moment that counts: before it nothing has changed.
    if ((await liveRelease(layout).catch(() => null)) !== release) throw error
    return restore(error)
  }

  try {
    current = 'reload'
    const workers = await step('reload', `${instances} workers`, async () => {
      const foreign = before.filter((process) => !isOurs(process, app))
      if (foreign.length > 0) {
        await journal.note(
          'reload',
          `started anew, with a short gap: ${foreign.length} workers were not started by Gapless through current`,
        )
        for (const { id } of before) await pm2.remove(id)
      }
      const { complaints } = await bringUp(fleet, app, instances)
      const timeout = runtime.health.timeoutMs + runtime.observeMs
      return untilServing(fleet, release, instances, timeout, complaints)
    })
    current = 'health-check'
    await step('health-check', `${runtime.health.path}, observed for ${runtime.observeMs} ms`, async () => {
      await observe(fleet, release, workers, runtime)
      if (postActivate !== null) await runHook('post-activate', postActivate, directory, runtime)
    })
  } catch (error) {
    return restore(error)
  }

  await markVerified(layout, release, job.activation)
  await trim(fleet, instances)
  await pm2.save()
  // The old workers served until now; from here on every answer is the new release's.
  await rm(activationFile(layout.base), { force: true })
  if (!(await untilOthersLeft(fleet, release, DOORS_CLOSE))) {
    await journal.note('health-check', 'workers of another release still take requests')
  }
  return { status: 'live', live: release, failure: null, workers: toStates(await listWorkers(fleet)) }

  async function step<T>(name: ActivationStep, detail: string, act: () => Promise<T>): Promise<T> {
    await journal.begin(name, detail)
    try {
      const result = await act()
      await journal.done(name, typeof result === 'string' ? result : detail)
      return result
    } catch (error) {
      await journal.failed(name, (error as Error).message)
      throw error
    }
  }

  /** Puts the previous release back, and shows that it serves. */
  async function restore(error: unknown): Promise<Verdict> {
    const failure = await withEvidence(Failure.from(error))
    try {
      await announce(true)
      await step(
        'rollback',
        previous === null ? 'there is no release to go back to' : `back to ${previous}`,
        async () => {
          if (previous === null || previousRuntime === null) {
            await stopAll(fleet)
            if (live === null) await rm(layout.current, { force: true })
            return
          }
          await pointCurrentAt(layout, previous)
          const count = instancesOf(previousRuntime)
          const timeout = previousRuntime.health.timeoutMs + previousRuntime.drainTimeoutMs
          if ((await pm2.list(job.appName)).length === 0) await bringUp(fleet, app, count)
          await heal(fleet, previous, count, timeout)
          await observe(fleet, previous, (await listWorkers(fleet)).slice(0, count), {
            ...previousRuntime,
            observeMs: 0,
          })
        },
      )
    } catch (cause) {
      const second = Failure.from(cause)
      const both = new Failure(failure.code, `${failure.message}; then ${second.message}`, {
        remedy: 'The app needs hands: look at `pm2 logs` on the server.',
        ...(failure.evidence === undefined ? {} : { evidence: failure.evidence }),
      })
      return ended('down', both)
    }
    return ended(previous === null ? 'down' : 'restored', failure)
  }

  async function ended(status: 'restored' | 'down', failure: Failure): Promise<Verdict> {
    const workers = await listWorkers(fleet).then(toStates, () => [])
    const serving = await liveRelease(layout).catch(() => null)
    return { status, live: status === 'restored' ? serving : null, failure: toRecord(failure), workers }
  }

  async function withEvidence(failure: Failure): Promise<Failure> {
    const text = await pm2.list(job.appName).then(
      (processes) => logsSince(processes, logs),
      () => '',
    )
    const evidence = [failure.evidence ?? '', lastLines(text)].filter((part) => part !== '').join('\n')
    return new Failure(failure.code, `${failure.message} (during ${current})`, {
      ...(failure.remedy === undefined ? {} : { remedy: failure.remedy }),
      evidence,
    })
  }
}

async function logSizes(processes: readonly Pm2Process[]): Promise<ReadonlyMap<string, number>> {
  const files = processes.flatMap(({ errorLog, outLog }) => [errorLog, outLog])
  const sizes = files.map(async (file) => [file, (await stat(file).catch(() => ({ size: 0 }))).size] as const)
  return new Map(await Promise.all(sizes))
}

function toRecord({ code, message, remedy, evidence }: Failure): NonNullable<Verdict['failure']> {
  return { code, message, remedy: remedy ?? null, evidence: evidence ?? null }
}
