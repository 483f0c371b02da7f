/**
 * The canary: one worker serves the new release beside those of the release before, and real traffic compares the two.
 * `current` points at the release before meanwhile: whatever PM2 or a reboot starts is that. The lock is kept, and
 * whoever waits for it ends the canary: half a rollout is nothing that another activation could begin from.
 */
import { failure } from '../../common/errors/activation.ts'
import { failure as serverFailure } from '../../common/errors/server.ts'
import { formatDuration } from '../../common/format.ts'
import type { Canary } from '../../protocol/messages.ts'
import { sum, type Tally, tallyOf, toShare } from '../../protocol/tally.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import { formatAddress } from '../system/sockets.ts'
import { type Activation, tellWorkers } from './activation.ts'
import type { Facts } from './facts.ts'
import { stayHealthy } from './go-live.ts'
import { FEWEST, judge, lookAt } from './judge.ts'
import { serve } from './serve.ts'
import { isAwaited, type State } from './state.ts'
import { prepare, swap } from './swap.ts'
import { LINES, lineOf, objection, PAUSE } from './watch.ts'

/** Whether a canary comes next. Where it was asked for and cannot be, the journal says why. */
export async function wantsCanary({ world, job, facts }: Activation): Promise<boolean> {
  const { canaryMs, kind } = job.request
  if (canaryMs === 0 || kind !== 'deploy' || facts.done.has('canary')) return false
  const reason = hindrance(facts)
  if (reason !== null) await world.journal.done('canary', `skipped: ${reason}`)
  return reason === null
}

function hindrance({ before, previous, target, foreign, processes }: Facts): string | null {
  if (previous === null || previous.release !== before.current || previous.release === target.release)
    return 'no verified release serves that it could be compared with'
  if (foreign > 0 || processes.length === 0) return 'PM2 has no worker that Gapless started'
  const addresses = [previous, target].map(({ runtime }) => formatAddress(runtime))
  return addresses[0] === addresses[1] ? null : 'the release listens on another address'
}

/**
 * @param known the canary that an earlier process has begun
 * @throws Failure where the release before has to be restored
 */
export async function canary(activation: Activation, known: Canary | null): Promise<State> {
  activation.during = 'canary'
  return serveBeside(activation, known).catch(async (error: unknown) => {
    await activation.world.journal.failed('canary', (error as Error).message)
    throw error
  })
}

async function serveBeside(activation: Activation, known: Canary | null): Promise<State> {
  const { world, job, facts } = activation
  const { activation: id, canaryMs } = job.request
  const { before, target, previous } = facts
  const { release } = target
  const trial = known ?? (await start(activation))
  const detail = `one worker serves it for ${formatDuration(canaryMs)}`
  await world.journal.begin('canary', detail, { before, canary: trial })
  if (previous === null) throw failure('restore-failed', { problem: 'the release before is damaged' })
  await world.point(previous.release)
  await tellWorkers(activation, 'make-room')

  const own = new Map<number, Tally>()
  const others = new Map<number, Tally>()
  let [lastLook, told] = [0, world.now()]
  for (;;) {
    await world.sleep(PAUSE)
    const records = await world.records()
    if (isAwaited(await world.entries(), id)) throw failure('overtaken: canary', { release })
    if (await world.isWithdrawn()) throw serverFailure('withdrawn: canary', { release })
    for (const record of records) count(record, trial, own, others)
    const [mine, theirs] = [sum([...own.values()]), sum([...others.values()])]
    const than = { before: toShare(theirs) }
    if (!records.some(({ pid, phase }) => pid === trial.pid && phase === 'open'))
      throw objection('exited', release, mine, than)
    const seen = { own: mine, before: theirs, restarts: 0, restartsBefore: 0, lastLook }
    if (judge(seen) === 'worse') throw objection('worse', release, mine, than)
    lastLook = Math.max(lastLook, lookAt(mine.answered))
    const line = lineOf(toShare(mine), than)
    if (world.sinceBoot() - trial.since >= canaryMs) {
      const few = mine.answered < FEWEST ? ', too few to compare' : ''
      await world.journal.done('canary', `${line}${few}`)
      return { at: 'swapped', before }
    }
    if (world.now() - told >= LINES) {
      told = world.now()
      await world.journal.note('canary', line)
    }
  }
}

/** Brings the last worker to the target, or one more where there is only one. */
async function start(activation: Activation): Promise<Canary> {
  const { world, facts } = activation
  const { target, app, resumed } = facts
  const { release, runtime } = target
  if (resumed) {
    await prepare(activation)
    await swap(activation)
  }
  await world.journal.note('canary', 'a worker starts')
  const place = Math.max(1, (await world.list()).length - 1)
  const limitMs = runtime.health.timeoutMs + runtime.observeMs
  const turn = { app, release, first: place, instances: place + 1, together: true, limitMs } as const
  const workers = await serve(activation, { ...turn, moment: 'swap' })
  await stayHealthy(activation, workers, runtime.observeMs)
  const others = (await world.records()).flatMap(({ pid, release: of, traffic }) => {
    if (of === release || traffic === null) return []
    const { answered, failed } = tallyOf(traffic)
    return [{ pid, answered, failed }]
  })
  return { release, since: world.sinceBoot(), pid: workers[0]!.process.pid, others }
}

/** Counts what a worker has answered; of the release before, since the canary began. */
function count(
  { pid, release, traffic }: WorkerRecord,
  canary: Canary,
  own: Map<number, Tally>,
  others: Map<number, Tally>,
): void {
  if (traffic === null) return
  const tally = tallyOf(traffic)
  if (release === canary.release) return void own.set(pid, tally)
  const { answered, failed } = canary.others.find((other) => other.pid === pid) ?? { answered: 0, failed: 0 }
  others.set(pid, { ...tally, answered: tally.answered - answered, failed: tally.failed - failed })
}
