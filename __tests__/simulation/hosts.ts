/** A run on several hosts: the first alone, then the others; a failure takes back every host that has switched. */
import type { FakeServer } from './fake-server.ts'
import type { Plan } from './plan.ts'
import { id, LONG, newSite, previous, target } from './site.ts'
import { type Session, watch } from './session.ts'
import { Clock } from './clock.ts'
import { good } from './fake-worker.ts'

const HOSTS = 3

/** What happens to the runner, besides all that a plan has for the host whose turn it is. */
export interface RunnerPlan {
  /** The host that has the plan's fates and faults; the others are well. */
  readonly troubled: number
  /** It stands still between two hosts, in ms. */
  readonly frozen: number
  /** Every message arrives twice. */
  readonly repeats: boolean
  /** It loses its connections as often as it asks. */
  readonly loses: boolean
}

/** @returns what did not hold */
export async function simulateHosts(plan: Plan, runner: RunnerPlan): Promise<readonly string[]> {
  const clock = new Clock()
  const servers: FakeServer[] = []
  for (let index = 0; index < HOSTS; index += 1) {
    const fates = index === runner.troubled ? plan.fates : [good]
    servers.push(await newSite((worker) => fates[worker % fates.length]!, {}, clock))
  }
  const activate = async (server: FakeServer, number: number, changes: object) => {
    const crashes = servers.indexOf(server) === runner.troubled ? plan.crashes : []
    const session: Session = watch(server, plan, { activation: id(number), ...changes }, crashes)
    if (runner.repeats) clock.after(50, session.repeat)
    // A connection that is lost changes nothing on the server: another session reads the journal on.
    if (runner.loses) clock.after(500, () => server.journal.length > 0 && session.repeat())
    await clock.runUntil(session.settled, LONG)
    return session.verdict()
  }
  const live: FakeServer[] = []
  let failed = false
  for (const server of servers) {
    const verdict = await activate(server, 1, { release: target })
    if (verdict?.status !== 'live') {
      failed = true
      break
    }
    live.push(server)
    await clock.runUntil(() => false, runner.frozen)
  }
  if (failed) {
    for (const server of live) {
      const release = server.journal.findLast(({ verdict }) => verdict !== null)!.verdict!.previous
      if (release === null || release === target) return ['a host cannot be taken back']
      await activate(server, 2, {
        release,
        kind: 'restore',
        replaces: target,
        preActivate: null,
        postActivate: null,
      })
    }
  }
  await clock.runUntil(() => false, 600_000)
  const wanted = failed ? previous : target
  return servers.flatMap((server, index) => {
    const open = [...server.open()]
    // A release that went live and dies again and again is between two workers at times.
    const serves = open.join() === wanted || (!failed && open.length === 0 && index === runner.troubled)
    const seen = `host ${index}: current is ${server.current}, ${open.join()} serves, instead of ${wanted}`
    return server.current === wanted && serves ? [] : [seen]
  })
}
