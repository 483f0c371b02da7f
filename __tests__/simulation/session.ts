/** Sessions that watch an activation: where its process has died, another one resumes it. */
import type { ActivationRequest, Verdict } from '../../src/protocol/messages.ts'
import type { FakeServer } from './fake-server.ts'
import type { Wiring } from './fake-world.ts'
import type { Plan } from './plan.ts'
import { begin, type Begun } from './site.ts'

/** Processes that come to no verdict are followed by so many others. */
const PATIENCE = 8
/** One that came to no verdict is for the next run, in ms. */
const NEXT_RUN = 10_000

export interface Session {
  verdict(): Verdict | null
  /** There is a verdict, and no process is at work any more. */
  settled(): boolean
  /** Whether a process is at work. */
  running(): boolean
  /** How many processes have ended. */
  ended(): number
  /** Another session resumes it, whether its process lives or not. */
  repeat(): void
}

/** @param crashes when its first processes die; the one after them does not */
export function watch(
  server: FakeServer,
  plan: Plan,
  request: Partial<ActivationRequest> & Pick<ActivationRequest, 'activation'>,
  crashes: Plan['crashes'] = [],
  wiring: Wiring = {},
): Session {
  const { clock } = server
  const hooks = { preActivate: plan.preActivate && 'migrate', postActivate: plan.postActivate && 'warm' }
  const options = (index: number) => ({
    diesAt: crashes[index] ?? null,
    latency: () => plan.latency,
    hook: (name: string) =>
      (name === 'pre-activate' ? plan.preActivate : plan.postActivate) ?? { ms: 0, fails: false },
    clockJump: plan.clockJump,
    wiring,
  })
  const { canaryMs, watchMs } = plan
  const begun: Begun[] = []
  const verdict = () => verdictOf(server, request.activation)
  const resume = () => {
    const process = begin(server, { ...hooks, canaryMs, watchMs, ...request }, options(begun.length))
    begun.push(process)
    const look = () => {
      if (process.alive()) return void clock.after(100, look)
      if (verdict() !== null || begun.length >= crashes.length + PATIENCE) return
      clock.after(process.end() === null ? plan.resumedAfter : NEXT_RUN, resume)
    }
    look()
  }
  resume()
  return {
    verdict,
    settled: () => verdict() !== null && begun.every(({ alive }) => !alive()),
    running: () => begun.some(({ alive }) => alive()),
    ended: () => begun.filter(({ alive }) => !alive()).length,
    repeat: () =>
      void begun.push(begin(server, { ...hooks, canaryMs, watchMs, ...request }, options(crashes.length))),
  }
}

export function verdictOf(server: FakeServer, activation: string): Verdict | null {
  const found = server.journal.find((entry) => entry.activation === activation && entry.verdict !== null)
  return found?.verdict ?? null
}
