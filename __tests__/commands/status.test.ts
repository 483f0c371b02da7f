import { expect, test } from '@jest/globals'
import type { Host } from '../../src/hosts/host.ts'
import { lookAt } from '../../src/commands/status.ts'
import { createPipeline } from '../../src/pipeline.ts'
import type { Plan } from '../../src/plan.ts'
import type { Result } from '../../src/protocol/messages.ts'
import { before, now, releaseInfo, releaseSummary, workerState } from '../report/outcomes.ts'
import { silentLog } from '../support/log.ts'

const seen: Result<'status'> = {
  live: now,
  served: now,
  releases: [
    releaseSummary({ id: before, activatedAt: '2026-01-01T00:00:00.000Z', bytes: 38_000_000 }),
    releaseSummary({ id: now, live: true, info: releaseInfo({ commit: 'c0ffee1aabb' }), bytes: 39_000_000 }),
  ],
  workers: [workerState({ restarts: 1, memoryBytes: 98_000_000, cache: { shared: true, why: '' } })],
  lock: 'ann, since noon',
  interrupted: null,
  lived: '20260101000002 so far: 12 requests, 8.3% failed, 1 restart',
  journal: [
    {
      time: '2026-01-01T00:00:00.000Z',
      activation: 'a',
      step: 'reload',
      state: 'done',
      detail: '2 workers',
      verdict: null,
      before: null,
      cause: null,
      probation: null,
      canary: null,
    },
  ],
}

function hostThat(answer: Result<'status'>): Host {
  const facts = { live: answer.live, now: '2026-01-01T00:00:00.000Z', freeBytes: 12_300_000_000 }
  return {
    name: null,
    facts,
    agent: () => ({ call: () => Promise.resolve(answer) }),
  } as unknown as Host
}

async function look(answer: Result<'status'>) {
  const lines: string[] = []
  const pipeline = createPipeline({ ...silentLog, info: (line) => void lines.push(line) })
  const plan = { inputs: { 'max-parallel': 1 } } as unknown as Plan
  return { lines, outcome: await lookAt(plan, [hostThat(answer)], pipeline) }
}

test('a status has the releases, the workers and the journal in the log as well', async () => {
  const { lines, outcome } = await look(seen)
  expect(lines.slice(0, -1)).toEqual([
    `release ${before}: previous, damaged, 38.0 MB`,
    `release ${now}: live, commit c0ffee1, 39.0 MB`,
    `worker 4242: online, release ${now}, open, cache shared, 1 restart, 98.0 MB of memory`,
    'journal: 2026-01-01T00:00:00.000Z reload done 2 workers',
  ])
  expect(lines.at(-1)).toMatch(
    /^2 releases, 1 worker; 20260101000002 so far: 12 requests, 8\.3% failed, 1 restart; the lock is held by ann, since noon; 12\.3 GB of disk free \(status: /,
  )
  expect(outcome).toMatchObject({ succeeded: true, status: 'live', liveRelease: now })
})

test('a status is down where a worker does not take traffic, or another release is served', async () => {
  const down = { succeeded: true, status: 'down' }
  const unlocked = { ...seen, lock: null }
  const booting = { ...unlocked, workers: [workerState({ phase: 'booting' })] }
  expect((await look(booting)).outcome).toMatchObject(down)
  expect((await look({ ...unlocked, served: before })).outcome).toMatchObject(down)
})

test('a status taken while another run replaces the workers is that of those which serve', async () => {
  const replacing = { ...seen, served: before, workers: [workerState({ phase: 'proving' })] }
  expect((await look(replacing)).outcome).toMatchObject({ status: 'live', liveRelease: before })
  expect((await look({ ...replacing, lock: null })).outcome).toMatchObject({ status: 'down' })
  expect((await look({ ...replacing, served: null })).outcome).toMatchObject({ status: 'down' })
})

test('a status is live where the workers have outlived PM2’s daemon, and says so', async () => {
  const orphaned = { ...seen, lock: null, workers: [workerState({ status: 'orphaned' })] }
  const { lines, outcome } = await look(orphaned)
  expect(outcome).toMatchObject({ succeeded: true, status: 'live', liveRelease: now })
  expect(lines.at(-1)).toContain("PM2's daemon died, 1 worker kept serving: the next deploy takes over")
})
