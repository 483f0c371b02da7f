/** The release is live, and stays on probation: real traffic says whether it may stay. */
import { failure } from '../../common/errors/activation.ts'
import type { Failure } from '../../common/failure.ts'
import { formatDuration } from '../../common/format.ts'
import type { JournalEntry, Probation, Verdict } from '../../protocol/messages.ts'
import { type Share, sum, tallyOf, type Tally, toShare } from '../../protocol/tally.ts'
import { worstPaths } from '../../protocol/traffic.ts'
import type { WorkerRecord } from '../../worker/worker-record.ts'
import type { Activation } from './activation.ts'
import { conclude } from './conclude.ts'
import { FEWEST, judge, lookAt, shareOf } from './judge.ts'
import { inWords, percent } from './lived.ts'
import { endsProbation, type State, stateOf } from './state.ts'

/** Between two looks, in ms. */
export const PAUSE = 1000
/** Between two lines, in ms. */
export const LINES = 10_000
/** From here on a share of failed answers is worth a warning, and p95 in ms. */
const BAD = 0.01
const SLOW = 1000
const SLOWER = 3

/**
 * Watches the release without the app's lock, so that whoever comes next need not wait: another activation ends this.
 * @throws Failure `worker-died`, `traffic-worse` once it has the lock again, to restore the previous release
 */
export async function watch(activation: Activation, known: Probation | null): Promise<State> {
  const { world, job, facts } = activation
  const { activation: id, watchMs } = job.request
  const { release } = facts.target
  const probation = known ?? (await begin(activation))
  activation.during = 'watch'
  const detail = `on probation for ${formatDuration(watchMs)}`
  await world.journal.begin('watch', detail, { before: facts.before, probation })
  await world.unlock()

  const seen = new Map<number, Tally>()
  const soFar = () => sum([...seen.values()])
  let [lastLook, told] = [0, world.now()]
  for (;;) {
    await world.sleep(PAUSE)
    const records = await world.records()
    // Before anything is made of what the workers do: it may be the doing of the next activation.
    const entries = await world.entries()
    const settled = settledIn(entries, activation)
    if (settled?.at === 'settled') return settled
    // Another process of this activation restores, or did when it died.
    if (settled !== null) return (await retake(activation)) ?? settled
    if (endsProbation(entries, id)) return end(probation, soFar(), 'another activation began')
    const now = world.sinceBoot()
    if (now < probation.since) return end(probation, soFar(), 'the server was started again')
    if (now - probation.since >= watchMs) {
      const settled = await retake(activation)
      if (settled !== null) return settled
      await world.journal.done('watch', lineOf(toShare(soFar()), probation))
      return end(probation, soFar(), '')
    }
    for (const { pid, release: of, traffic } of records)
      if (of === release && traffic !== null) seen.set(pid, tallyOf(traffic))
    const all = soFar()
    const judgement = judge({
      own: all,
      before: probation.before,
      restarts: probation.pids.filter((pid) => !isOpen(records, pid)).length,
      restartsBefore: probation.restartsBefore,
      lastLook,
    })
    lastLook = Math.max(lastLook, lookAt(all.answered))
    if (judgement !== 'well') {
      const problem = objection(judgement, release, all, probation)
      const settled = await retake(activation)
      if (settled !== null) return settled
      // A release that another activation is about to replace is that one's matter.
      if (endsProbation(await world.entries(), id)) return end(probation, soFar(), 'another activation began')
      await world.journal.failed('watch', problem.message)
      // PM2's daemon may have died since.
      await world.connect()
      throw problem
    }
    if (world.now() - told >= LINES) {
      told = world.now()
      await world.journal.note('watch', lineOf(toShare(all), probation))
    }
  }
}

/** Takes the lock again. @returns how another process of this activation has ended it meanwhile; null: none has */
async function retake(activation: Activation): Promise<State | null> {
  const { world } = activation
  // Whoever holds it for longer has begun, and ends the probation.
  await world.lock().catch(() => undefined)
  return settledIn(await world.entries(), activation)
}

function settledIn(entries: readonly JournalEntry[], { job, facts }: Activation): State | null {
  const state = stateOf(entries, job.request.activation, false)
  if (state.at === 'settled') return state
  // It restores already: only the verdict of that counts.
  return state.at === 'restoring' ? { ...state, before: facts.before } : null
}

/** From here on the release counts as live. */
async function begin(activation: Activation): Promise<Probation> {
  const { world, facts } = activation
  const state = await conclude(activation, 'live', null)
  if (state.at !== 'settled') throw new Error('the release is not live')
  const { verdict } = state
  return {
    since: world.sinceBoot(),
    before: facts.previous === null ? null : facts.beforeTraffic,
    restartsBefore: facts.beforeRestarts,
    pids: verdict.workers
      .filter(({ release, phase }) => release === facts.target.release && phase === 'open')
      .map(({ pid }) => pid),
    verdict,
  }
}

function isOpen(records: readonly WorkerRecord[], pid: number): boolean {
  return records.some((record) => record.pid === pid && record.phase === 'open')
}

function end({ verdict, before }: Probation, all: Tally, why: string): State {
  const own = toShare(all)
  const line = [lineOf(own, { before }), ...(why === '' ? [] : [`The watch ended early: ${why}`])].join('. ')
  const watched: Verdict = { ...verdict, watch: { open: false, line, warnings: warningsOf(own, before) } }
  return { at: 'settled', verdict: watched, known: false }
}

function warningsOf(own: Share, before: Share | null): readonly string[] {
  if (before === null) return []
  const warnings: string[] = []
  if (own.answered >= FEWEST && shareOf(own) >= BAD) {
    const shares = `${inWords(own)}; the release before: ${inWords(before)}`
    warnings.push(`The release stays, but answers fail: ${shares}.`)
  }
  if (own.p95 !== null && before.p95 !== null && own.p95 > SLOW && own.p95 > SLOWER * before.p95) {
    const times = `${formatDuration(own.p95)}, and before ${formatDuration(before.p95)}`
    warnings.push(`The release stays, but is slow: 95% of its answers took up to ${times}.`)
  }
  return warnings
}

export function lineOf(own: Share, { before }: Pick<Probation, 'before'>): string {
  return `${inWords(own)}${before === null ? '' : `; the release before: ${inWords(before)}`}`
}

export function objection(
  judgement: 'restarted' | 'exited' | 'worse',
  release: string,
  own: Tally,
  { before }: Pick<Probation, 'before'>,
): Failure {
  const worst = worstPaths(own).map(([path, times]) => `${times} × ${path}`)
  const evidence = [
    `new: ${own.failed} of ${own.answered} answers failed (${percent(own)})`,
    ...(before === null
      ? []
      : [`before: ${before.failed} of ${before.answered} answers failed (${percent(before)})`]),
    ...(worst.length === 0 ? [] : ['paths that failed most:', ...worst]),
  ].join('\n')
  if (judgement === 'exited') return failure('worker-died: canary', { release }, { evidence })
  if (judgement === 'restarted') return failure('worker-died: watched', { release }, { evidence })
  const { answered, failed } = before ?? { answered: 0, failed: 0 }
  const values = {
    release,
    answered: own.answered,
    failed: own.failed,
    share: percent(own),
    answeredBefore: answered,
    failedBefore: failed,
    shareBefore: percent({ answered, failed }),
  }
  return failure('traffic-worse', values, { evidence })
}
