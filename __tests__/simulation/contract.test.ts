/** The fake PM2 does what the real ones do: see contract.server.test.ts. */
import { describe, test } from '@jest/globals'
import { Clock } from './clock.ts'
import { type Behaviour, claims, options, type Pm2OnTrial, prompt } from './contract.ts'
import { FakeServer, ours } from './fake-server.ts'
import { good } from './fake-worker.ts'

const app = '20260101000001'

function fakePm2(): Pm2OnTrial {
  const server = new FakeServer(new Clock())
  const { clock } = server
  let behaviour: Behaviour = prompt
  const fate = () => {
    const { readyAfter, exitsAfter, drainMs } = behaviour
    const bootMs = Math.max(0, exitsAfter ?? readyAfter ?? 1e9)
    return { ...good, bootMs, diesAtBoot: exitsAfter !== null, drainMs }
  }
  server.releases.set(app, { verified: 1, fate })
  server.current = app
  /** Asks, and lets time pass until it is answered. */
  const ask = async (request: (done: (refused?: string) => void) => void) => {
    let answer: { refused: string | undefined } | null = null
    request((refused) => {
      answer = { refused }
    })
    await clock.runUntil(() => answer !== null, 1e6)
  }
  const pass = async (ms: number) => void (await clock.runUntil(() => false, ms))
  const { pm2 } = server
  return {
    behave: (next) => {
      behaviour = next
    },
    start: () => ask((done) => pm2.start(ours, options, done)),
    reload: (id) => ask((done) => pm2.reload(id, options, done)),
    restart: (id) => ask((done) => pm2.restart(id, options, done)),
    stop: (id) => ask((done) => pm2.stop(id, done)),
    remove: (id) => ask((done) => pm2.remove(id, done)),
    duplicate: (id) => ask((done) => pm2.duplicate(id, done)),
    list: async () => pm2.list(),
    isReplacing: async (id) => pm2.isReplacing(id),
    lives: (pid) => server.workers.some((worker) => worker.pid === pid && worker.alive),
    async until(what, condition) {
      for (let waited = 0; !(await condition()); waited += 20) {
        if (waited > 30_000) throw new Error(`never: ${what}`)
        await pass(20)
      }
    },
    sleep: pass,
  }
}

describe('the fake PM2', () => {
  test.each(claims)('%s', async (_, holds) => {
    await holds(fakePm2())
  })
})
