/** A run on several hosts: the real `rollOut`, on fake hosts and virtual time. */
import { Failure } from '../../src/common/failure.ts'
import { nothingKnown, type Outcome } from '../../src/outcome.ts'
import { rollOut } from '../../src/phases/roll-out-all-hosts.ts'
import { createPipeline } from '../../src/pipeline.ts'
import type { Plan as RunPlan } from '../../src/plan.ts'
import { silentLog } from '../support/log.ts'
import { Clock } from './clock.ts'
import { FakeHost } from './fake-host.ts'
import { good } from './fake-worker.ts'
import type { Plan } from './plan.ts'
import { onVirtualTime } from './runner-time.ts'
import { id, LONG, newForeignSite, newSite, previous, target } from './site.ts'

const NAMES = ['a', 'b', 'c']

/** What happens to the run, besides all that a plan has for the host whose turn it is. Hosts are their indexes. */
export interface RunnerPlan {
  /** The host that has the plan's fates and crashes; the others are well. */
  readonly troubled: number
  /** The host whose app was started by somebody else. */
  readonly foreign: number | null
  /** The host whose candidate is not healthy. */
  readonly rejects: number | null
  /** A host that is out of reach from then on, in ms. */
  readonly unreachable: { readonly host: number; readonly at: number } | null
  /** The host that never hears the first request of an activation. */
  readonly unheard: number | null
  /** Every call that takes longer loses its connection, in ms. */
  readonly losesAfter: number | null
  /** Every activation is asked for twice. */
  readonly repeats: boolean
  /** The runner stands still before each activation, in ms. */
  readonly frozen: number
  readonly batch: { readonly hosts: number } | { readonly percent: number }
  readonly publicUrl: 'healthy' | 'ill' | null
}

/** @returns what did not hold */
export async function simulateHosts(plan: Plan, runner: RunnerPlan): Promise<readonly string[]> {
  const broken = new Set<string>()
  const clock = new Clock()
  const hosts: FakeHost[] = []
  for (const [index, name] of NAMES.entries()) {
    const fates = index === runner.troubled ? plan.fates : [good]
    const fate = (worker: number) => fates[worker % fates.length]!
    const server = await (index === runner.foreign ? newForeignSite(fate, clock) : newSite(fate, {}, clock))
    const { unreachable, losesAfter, repeats, frozen } = runner
    const line = {
      rejects: index === runner.rejects,
      unreachableAt: index === unreachable?.host ? unreachable.at : null,
      unheard: index === runner.unheard,
      losesAfter,
      repeats,
      frozen,
    }
    const crashes = index === runner.troubled ? plan.crashes : []
    const host = new FakeHost({ name, server }, plan, { line, crashes }, (one, { kind, replaces }) => {
      if (kind === 'restore') {
        if (replaces !== target) broken.add(`${name} restores what replaced ${replaces}`)
        return
      }
      const unverified = hosts.filter(({ verified }) => !verified)
      for (const other of unverified)
        broken.add(`${name} swaps before ${other.name} has verified the release`)
      if (one !== hosts[0] && hosts[0]!.deployed()?.status !== 'live' && !isOnProbation(hosts[0]!))
        broken.add(`${name} swaps before the first host is live`)
    })
    hosts.push(host)
  }

  let end: Outcome | Failure | null = null
  const restoreTime = onVirtualTime(clock, () => (runner.publicUrl === 'ill' ? 500 : 200))
  try {
    const goal = { ...nothingKnown, release: target, replaces: null, kind: 'deploy' } as const
    rollOut(runPlan(plan, runner), hosts, createPipeline(silentLog), goal).then(
      (outcome) => (end = outcome),
      (error: unknown) => (end = Failure.from(error)),
    )
    const well = hosts.filter((_, index) => index !== runner.troubled && index !== runner.foreign)
    const ended = await clock.runUntil(
      () => end !== null,
      LONG,
      () => {
        const silent = well.find(({ server }) => server.serving().size === 0)
        if (silent !== undefined) broken.add(`nobody serves on ${silent.name}`)
      },
    )
    if (!ended) broken.add('the run does not end')
    await clock.runUntil(() => false, 600_000)
  } finally {
    restoreTime()
  }
  for (const problem of afterwards(hosts, runner, end)) broken.add(problem)
  return [...broken]
}

function runPlan(plan: Plan, { batch, publicUrl }: RunnerPlan): RunPlan {
  const inputs = {
    'candidate-check': true,
    'max-parallel': 3,
    'test-command': null,
    'lock-timeout': 600_000,
    'pre-activate': plan.preActivate && 'migrate',
    'post-activate': plan.postActivate && 'warm',
    'keep-releases': 5,
    'health-check-url': publicUrl && 'https://app.example.com/',
    batch,
    command: 'deploy',
    run: null,
    said: null,
    watch: plan.watchMs,
    runtime: { health: { timeoutMs: 5000, intervalMs: 1000, status: [[200, 399]], body: null } },
  }
  return { inputs, activation: id(1) } as unknown as RunPlan
}

function isOnProbation({ server }: FakeHost): boolean {
  return server.journal.some(({ probation }) => probation !== null)
}

function afterwards(
  hosts: readonly FakeHost[],
  runner: RunnerPlan,
  end: Outcome | Failure | null,
): readonly string[] {
  if (end === null) return []
  const broken: string[] = []
  const succeeded = !(end instanceof Failure) && end.succeeded
  if (succeeded && runner.publicUrl === 'ill') broken.push('it succeeds with an ill public URL')
  for (const [index, host] of hosts.entries()) {
    const { name, server, requests, unseen } = host
    const open = [...server.open()].join()
    const says = (what: string) =>
      void broken.push(`${name}: ${what}, current is ${server.current}, and ${open || 'nobody'} serves`)
    if (end instanceof Failure && requests.length > 0) says(`activated after ${end.code}`)
    if (succeeded === host.discarded && !host.isUnreachable())
      says(succeeded ? 'discards a live release' : 'keeps a failed release')
    if (server.lock?.owner.alive === true) says('the lock is not free')
    const told = end instanceof Failure ? null : end.hosts[index]!
    // Nobody saw how it ended, and the run says so.
    if (unseen !== null && told?.status === 'down') continue
    if (unseen !== null && server.journal.some(({ step }) => step === 'swap'))
      says(`nobody saw how it ended, and it is said to be ${told?.status}`)
    const isForeign = index === runner.foreign
    const stuck = isForeign && host.deployed()?.status === 'live'
    const wanted = succeeded || stuck ? target : isForeign ? null : previous
    // A release that went live and dies again and again is between two workers at times.
    const excused = wanted === target && open === '' && index === runner.troubled
    if (server.current !== wanted || (open !== (wanted ?? 'foreign') && !excused))
      says(`${wanted ?? 'the app before'} is to serve`)
    // How an activation itself ends is for `simulate` to judge.
    if (told === null || isForeign || host.deployed()?.status === 'down') continue
    if (told.status === 'down') says(`down: ${told.failure?.message}`)
    if (told.live !== server.current) says(`said to serve ${told.live}`)
  }
  return broken
}
