/** One run: an activation on a site, with all that its plan has for it, and what must hold meanwhile and afterwards. */
import type { JournalEntry, Verdict } from '../../src/protocol/messages.ts'
import type { Wiring } from './fake-world.ts'

export type { Wiring }
import type { FakeServer } from './fake-server.ts'
import type { Plan } from './plan.ts'
import { begin, type Begun, first, id, LONG, newSite, other, previous, target } from './site.ts'

export const last: { server: FakeServer | null; trace: string[] } = { server: null, trace: [] }

/** Processes that come to no verdict are followed by so many others. */
const PATIENCE = 8

/** @param wiring a fault of the fake's own, to see that the simulation finds it @returns what did not hold; empty: all held */
export async function simulate(plan: Plan, wiring: Wiring = {}): Promise<readonly string[]> {
  const broken = new Set<string>()
  const goal = plan.kind === 'deploy' ? target : first
  const server = await newSite((index) => plan.fates[index % plan.fates.length]!)
  if (plan.kind === 'rollback')
    server.releases.set(first, { verified: 1, fate: server.releases.get(target)!.fate })
  last.server = server
  last.trace = []
  server.trace = (line) => void last.trace.push(line)
  const { clock } = server
  const start = clock.now
  server.pm2.startsTwice = plan.startsTwice

  for (const { at, what, ms } of plan.pm2) {
    clock.after(at, () => {
      if (what === 'silent') server.pm2.silentUntil = clock.now + ms
      if (what === 'dies') server.killDaemon()
      if (what === 'forgets') server.pm2.forget(0)
    })
  }
  if (plan.fullDisk !== null) {
    const { at, ms } = plan.fullDisk
    clock.after(at, () => (server.diskFull = true))
    clock.after(at + ms, () => (server.diskFull = false))
  }

  const mine = activationOf(server, plan, id(1), goal, plan.crashes, wiring)
  const rival =
    plan.rivalAt === null ? null : activationOf(server, plan, id(2), other, [], wiring, plan.rivalAt)
  if (plan.twinAt !== null) {
    clock.after(plan.twinAt, () => {
      if (server.journal.some(({ activation }) => activation === id(1))) mine.twin()
    })
  }
  const activations = [mine, ...(rival === null ? [] : [rival])]
  const done = () => activations.every(({ settled }) => settled())
  const isExcused = excuses(server, plan)
  const ended = await clock.runUntil(done, LONG, () => {
    if (server.serving().size === 0 && !isExcused()) {
      broken.add(`nobody serves at ${clock.now - start} ms`)
    }
    const running = server.hooks.filter(({ until }) => until > clock.now)
    if (running.length > 1) broken.add('two hooks run at once')
  })
  if (!ended) broken.add('no verdict comes')
  server.diskFull = false
  await clock.runUntil(() => false, 600_000)
  for (const problem of afterwards(server, plan, goal)) broken.add(problem)
  return [...broken]
}

interface Following {
  settled(): boolean
  twin(): void
}

/** Follows an activation as sessions do: where its process has died, or came to no verdict, another takes over. */
function activationOf(
  server: FakeServer,
  plan: Plan,
  activation: string,
  release: string,
  crashes: Plan['crashes'],
  wiring: Wiring,
  at = 0,
): Following {
  const { clock } = server
  const rollback = plan.kind === 'rollback' && activation === id(1)
  const request = {
    activation,
    release,
    kind: rollback ? ('rollback' as const) : ('deploy' as const),
    preActivate: plan.preActivate === null ? null : 'pre',
    postActivate: plan.postActivate === null ? null : 'post',
  }
  const options = (index: number) => ({
    diesAt: crashes[index] ?? null,
    latency: () => plan.latency,
    hook: (name: string) =>
      (name === 'pre-activate' ? plan.preActivate : plan.postActivate) ?? { ms: 0, fails: false },
    clockJump: plan.clockJump,
    onCall: (name: string, call: number) =>
      void last.trace.push(`${clock.now} ${activation.slice(-1)} #${index} ${call} ${name}`),
    wiring,
  })
  const begun: Begun[] = []
  const next = () => {
    const process = begin(server, request, options(begun.length))
    begun.push(process)
    const watch = () => {
      if (process.alive()) return void clock.after(100, watch)
      if (verdictOf(server, activation) === null && begun.length < crashes.length + PATIENCE) {
        // Another session resumes one that has died; one that came to no verdict is for the next run.
        clock.after(process.end() === null ? plan.resumedAfter : 10_000, next)
      }
    }
    watch()
  }
  clock.after(at, next)
  return {
    settled: () => verdictOf(server, activation) !== null && begun.every(({ alive }) => !alive()),
    twin: () => void begun.push(begin(server, request, options(crashes.length))),
  }
}

function verdictOf(server: FakeServer, activation: string): Verdict | null {
  return (
    server.journal.find((entry) => entry.activation === activation && entry.verdict !== null)?.verdict ?? null
  )
}

/** Whether somebody else than the activation is to blame, or nobody can help it, where nobody serves. */
function excuses(server: FakeServer, plan: Plan): () => boolean {
  const goesBad = plan.fates.some(
    ({ diesAfter, hangsAfter, sickAfter }) => diesAfter !== null || hangsAfter !== null || sickAfter !== null,
  )
  return () => {
    // PM2's daemon owns the port, and its workers die with it.
    if (server.outages.length > 0) return true
    // A release that goes bad once the old workers have left on its word; or while no activation lives that they could
    // stay for, when PM2 tells them to leave.
    const wasHealthy = server.journal.some(({ step, state }) => step === 'health-check' && state === 'begin')
    return goesBad && (wasHealthy || plan.crashes.length > 0) && !server.open().has(previous)
  }
}

function afterwards(server: FakeServer, plan: Plan, goal: string): readonly string[] {
  const broken: string[] = []
  const say = (what: string) => void broken.push(what)
  const isBegin = (name: JournalEntry['step']) => (entry: JournalEntry) =>
    entry.step === name && entry.state === 'begin' && entry.activation === id(1)
  const verdict = verdictOf(server, id(1))
  const rival = verdictOf(server, id(2))
  const open = server.open()

  if (server.lock?.owner.alive === true) say('the lock is not free')
  const listed = new Set(server.pm2.list().map(({ pid }) => pid))
  const foreign = server.workers.filter(
    ({ alive, pid, phase }) => alive && phase === 'open' && !listed.has(pid),
  )
  const forgets = plan.pm2.some(({ what }) => what === 'forgets')
  if (foreign.length > 0 && !forgets)
    say(`PM2 does not know worker ${foreign[0]!.pid} of ${foreign[0]!.release}`)
  if (open.size > 1) say(`several releases serve: ${[...open].join(', ')}`)

  if (server.journal.filter((entry) => entry.activation === id(1) && entry.verdict !== null).length > 1)
    say('two verdicts')
  if (verdict === null) return broken
  const restoring = server.journal.findIndex(isBegin('rollback'))
  if (restoring >= 0 && server.journal.slice(restoring).some(isBegin('swap')))
    say('it went forward again after it began to restore')
  const posts = server.hooks.filter(
    ({ activation, name }) => activation === id(1) && name === 'post-activate',
  )
  const interruptedHooks = plan.crashes.length
  if (posts.length > 1 + interruptedHooks) say('post-activate ran more often than it was interrupted')

  const touched = server.journal.some(isBegin('swap')) || restoring >= 0
  if (touched && rival === null && verdict.previous !== previous) say(`previous is ${verdict.previous}`)
  if (rival !== null) {
    // Whoever has the last word decides.
    const last = server.journal.findLast((entry) => entry.verdict?.status === 'live')?.verdict
    if (
      last !== undefined &&
      rival.status === 'live' &&
      server.current !== last?.live &&
      verdict.status !== 'restored'
    ) {
      say(`current is ${server.current}, and the last live verdict ${last?.live}`)
    }
    return broken
  }
  switch (verdict.status) {
    case 'live':
      if (verdict.live !== goal || server.current !== goal) say(`live, and current is ${server.current}`)
      break
    case 'restored':
      if (
        verdict.live !== previous ||
        server.current !== previous ||
        (!open.has(previous) && server.outages.length === 0)
      )
        say(`restored, current is ${server.current}, and ${[...open].join()} serves`)
      break
    case 'kept':
      if (touched && server.current !== previous) say(`kept, and current is ${server.current}`)
      if (server.current !== previous || (!open.has(previous) && server.outages.length === 0))
        say(`kept, current is ${server.current}, and ${[...open].join()} serves`)
      break
    case 'down':
      if (plan.pm2.length === 0) say(`down: ${verdict.failure?.message}`)
      break
  }
  return broken
}
