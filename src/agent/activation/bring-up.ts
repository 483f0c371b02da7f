/** Brings the workers to the release that `current` points at, and waits until every one serves it. */
import { setTimeout as delay } from 'node:timers/promises'
import { Failure } from '../../common/failure.ts'
import type { Pm2App, Pm2Process } from '../pm2/client.ts'
import type { Activation } from './context.ts'
import {
  byId,
  describe,
  type FleetOptions,
  listWorkers,
  POLL,
  serves,
  waitFor,
  type Worker,
} from './fleet.ts'
import { calm } from './halt.ts'

/**
 * Brings `instances` workers to the release that `current` points at, and waits until they serve it.
 * @param together all at once, or one after the other, each after its old worker has gone
 * @throws what `untilServing` throws
 */
export async function bringUp(
  activation: Activation,
  app: Pm2App,
  release: string,
  instances: number,
  together: boolean,
  timeoutMs: number,
): Promise<readonly Worker[]> {
  const { pm2, appName } = activation
  const complaints: string[] = []
  // What the first process, which died, had asked for is carried through by the daemon. To wait for it would take a
  // release that dies again and again longer than the old workers stay.
  const adopted = await underWay(activation, release)
  if (adopted.size === 0) {
    await untilReplaced(activation, app.options.kill_timeout)
    await calm(activation)
  }
  const present = byId(await pm2.list(appName))
  const old = new Set(present.filter(({ id }) => !adopted.has(id)).map(({ pid }) => pid))
  let first = present[0]?.id

  let serving: readonly Worker[] = []
  for (let count = together ? instances : 1; count <= instances; count += 1) {
    const asked: Promise<unknown>[] = []
    const ask = (work: Promise<void>) => {
      asked.push(work.catch((error: unknown) => complaints.push((error as Error).message)))
    }
    for (let index = serving.length; index < count; index += 1) {
      const known = present[index]
      if (known !== undefined) {
        if (!adopted.has(known.id)) ask(pm2.reload(known.id, app.options))
      } else if (first !== undefined) {
        ask(pm2.duplicate(first))
      } else {
        ask(pm2.start(app))
        first = await firstId(activation)
      }
    }
    serving = await untilServing(activation, { release, instances: count, old, timeoutMs, complaints })
    if (!together) await Promise.all(asked)
  }
  return serving
}

/** The workers that PM2 is replacing by the target's already. */
async function underWay(activation: Activation, release: string): Promise<ReadonlySet<number>> {
  const { takenUp, target } = activation
  return takenUp && release === target.release ? replacing(activation) : new Set()
}

/** The ids whose old worker still drains. */
async function replacing({ pm2, appName }: FleetOptions): Promise<ReadonlySet<number>> {
  const ids = (await pm2.list(appName)).map(({ id }) => id)
  const answers = await Promise.all(ids.map((id) => pm2.isReplacing(id)))
  return new Set(ids.filter((_, index) => answers[index]))
}

/**
 * PM2 has one place for the old worker of each id. One that still drains from the last activation holds it: PM2 7
 * then refuses a reload, 5 and 6 forget the old worker.
 */
export async function untilReplaced(options: FleetOptions, timeoutMs: number): Promise<void> {
  await waitFor(async () => (await replacing(options)).size === 0, timeoutMs)
}

async function firstId({ pm2, appName }: FleetOptions): Promise<number | undefined> {
  let found: readonly Pm2Process[] = []
  await waitFor(async () => (found = await pm2.list(appName)).length > 0, 10_000)
  return found[0]?.id
}

interface Wanted {
  readonly release: string
  readonly instances: number
  /** Processes from before: they are no proof, even where they run the same release. */
  readonly old: ReadonlySet<number>
  readonly timeoutMs: number
  /** What PM2 refused since it was asked. */
  readonly complaints: readonly string[]
}

/**
 * Waits until every worker serves `release`.
 * @throws Failure `worker-died`, `worker-unhealthy` or `pm2-failed`, with what was seen last
 */
async function untilServing(
  options: FleetOptions,
  { release, instances, old, timeoutMs, complaints }: Wanted,
): Promise<readonly Worker[]> {
  const deadline = performance.now() + timeoutMs
  const seen = new Map<number, Set<number>>()
  for (;;) {
    const workers = (await listWorkers(options)).slice(0, instances)
    const serving = workers.filter((worker) => serves(worker, release) && !old.has(worker.process.pid))
    if (serving.length >= instances) return serving

    for (const { process, record } of workers) {
      if (record?.release === release && !old.has(process.pid)) remember(seen, process.id, process.pid)
      const pids = seen.get(process.id)
      if (
        process.status === 'errored' ||
        process.status === 'stopped' ||
        (pids && (pids.size > 1 || !pids.has(process.pid)))
      ) {
        throw new Failure(
          'worker-died',
          `a worker of ${release} died before it could take traffic (PM2 says ${process.status})`,
        )
      }
    }
    if (complaints.length > 0) throw new Failure('pm2-failed', complaints.join('; '))
    if (performance.now() >= deadline) {
      const waiting = workers.find((worker) => !serving.includes(worker))
      throw new Failure(
        'worker-unhealthy',
        `${instances - serving.length} of ${instances} workers did not come to serve ${release}: ${describe(waiting)}`,
      )
    }
    await delay(POLL)
  }
}

function remember(seen: Map<number, Set<number>>, id: number, pid: number): void {
  const pids = seen.get(id) ?? new Set()
  seen.set(id, pids.add(pid))
}

/** Takes away the workers beyond `instances`, the youngest first. */
export async function trim({ pm2, appName }: FleetOptions, instances: number): Promise<void> {
  const present = byId(await pm2.list(appName))
  // Not waited for: what is asked to leave drains in the background.
  for (const process of present.slice(instances)) pm2.remove(process.id).catch(() => undefined)
}
