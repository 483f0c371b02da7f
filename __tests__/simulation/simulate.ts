/** One run: an activation on a site, with all that its plan has for it, and what must hold meanwhile and afterwards. */
import type { JournalEntry } from '../../src/protocol/messages.ts'
import type { Wiring } from './fake-world.ts'

export type { Wiring }
import type { FakeServer } from './fake-server.ts'
import type { Plan } from './plan.ts'
import { type Session, verdictOf, watch } from './session.ts'
import { first, id, LONG, newSite, other, previous, target } from './site.ts'

/** @param wiring a fault of the fake's own, to see that the simulation finds it @returns what did not hold; empty: all held */
export async function simulate(plan: Plan, wiring: Wiring = {}): Promise<readonly string[]> {
  const broken = new Set<string>()
  const goal = plan.kind === 'deploy' ? target : first
  const server = await newSite((index) => plan.fates[index % plan.fates.length]!)
  if (plan.kind === 'rollback')
    server.releases.set(first, { verified: 1, fate: server.releases.get(target)!.fate })
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

  const kind = plan.kind === 'rollback' ? ('rollback' as const) : ('deploy' as const)
  const mine = watch(server, plan, { activation: id(1), release: goal, kind }, plan.crashes, wiring)
  const sessions: (Session | null)[] = [mine, plan.rivalAt === null ? mine : null]
  if (plan.rivalAt !== null) {
    clock.after(plan.rivalAt, () => {
      sessions[1] = watch(server, plan, { activation: id(2), release: other }, [], wiring)
    })
  }
  if (plan.twinAt !== null) {
    clock.after(plan.twinAt, () => {
      if (server.journal.some(({ activation }) => activation === id(1))) mine.repeat()
    })
  }
  const done = () => sessions.every((session) => session?.settled() === true)
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

/** Whether somebody else than the activation is to blame, or nobody can help it, where nobody serves. */
function excuses(server: FakeServer, plan: Plan): () => boolean {
  const goesBad = plan.fates.some(
    ({ diesAfter, hangsAfter, sickAfter }) => diesAfter !== null || hangsAfter !== null || sickAfter !== null,
  )
  return () => {
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
  // A worker cannot leave that hangs after it said how long it stays.
  const foreign = server.workers.filter(
    ({ alive, pid, phase, hung, record }) =>
      alive && phase === 'open' && !listed.has(pid) && !(hung && record?.leavesAt != null),
  )
  const forgets = plan.pm2.some(({ what }) => what === 'forgets')
  // After `down`, orphans may go on serving: the next deploy replaces them.
  const isDown = server.journal.findLast(({ verdict }) => verdict !== null)?.verdict?.status === 'down'
  // A daemon that died just before the verdict has left orphans, from which the next run takes over.
  const areOrphans = (listed.size === 0 || isDown) && foreign.every(({ record }) => record?.orphaned != null)
  if (foreign.length > 0 && !forgets && !areOrphans)
    say(`PM2 does not know worker ${foreign[0]!.pid} of ${foreign[0]!.release}`)
  if (open.size > 1 && !isDown) say(`several releases serve: ${[...open].join(', ')}`)

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
      if (verdict.live !== previous || server.current !== previous || !open.has(previous))
        say(`restored, current is ${server.current}, and ${[...open].join()} serves`)
      break
    case 'kept':
      if (touched && server.current !== previous) say(`kept, and current is ${server.current}`)
      if (server.current !== previous || !open.has(previous))
        say(`kept, current is ${server.current}, and ${[...open].join()} serves`)
      break
    case 'down':
      if (plan.pm2.length === 0) say(`down: ${verdict.failure?.message}`)
      break
  }
  return broken
}
