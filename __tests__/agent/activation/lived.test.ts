import { expect, test } from '@jest/globals'
import { lived, restartsSince } from '../../../src/agent/activation/lived.ts'
import {
  type JournalEntry,
  keptVerdict,
  type Verdict,
  type WorkerState,
} from '../../../src/protocol/messages.ts'
import { newSite, previous, target } from '../../simulation/site.ts'
import { trafficOf } from './traffic-of.ts'

const settled = (verdict: Verdict) => ({ verdict }) as JournalEntry
const worker = (pmId: string, restarts: number) => ({ pmId, restarts }) as WorkerState
const wentLive = settled({
  ...keptVerdict(target, null),
  status: 'live',
  workers: [worker('0', 4), worker('1', 0)],
})

test('restarts count from the verdict that made the release live, whatever failed since', () => {
  const processes = [
    { id: 0, restarts: 6 },
    { id: 1, restarts: 0 },
    { id: 2, restarts: 9 },
  ]
  const entries = [wentLive, settled(keptVerdict(target, null))]
  expect(restartsSince(entries, target, processes)).toBe(2)
  expect(restartsSince(entries, previous, processes)).toBe(0)
})

test('a release has answered what its workers that take traffic have', async () => {
  const server = await newSite()
  const records = server.records().map((record) => ({ ...record, traffic: trafficOf(50) }))
  const processes = server.pm2.list()
  expect(lived([], previous, processes, records)).toBe(
    `${previous} so far: 400 requests, 25.0% failed, p95 1 ms, 0 restarts`,
  )
  expect(lived([], target, processes, records)).toBeNull()
})
