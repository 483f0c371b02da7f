import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { describeOrphans, orphanStates } from '../../../src/agent/pm2/orphans.ts'
import { assertNotStranded } from '../../../src/agent/pm2/stranded.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import type { WorkerRecord } from '../../../src/worker/worker-record.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'

const worker = (pid: number, more: Partial<WorkerRecord> = {}) =>
  ({
    pid,
    release: '20260101000001',
    candidate: false,
    phase: 'open',
    orphaned: null,
    traffic: null,
    ...more,
  }) as WorkerRecord
const orphan = (pid: number, beside: readonly number[]) => worker(pid, { orphaned: { since: 1, beside } })

test('orphans are told from workers that PM2 knows, and those that exited meanwhile are counted', () => {
  expect(describeOrphans([worker(1), worker(2)])).toBeNull()
  expect(describeOrphans([worker(9), orphan(1, [2]), orphan(2, [1])])).toBe(
    "PM2's daemon had died: 2 workers kept serving without it",
  )
  expect(describeOrphans([orphan(1, [2, 3]), orphan(2, [1, 3])])).toMatch(/: 2 workers .*, 1 more exited/)
})

test('the status of an orphan says what it is, and what it runs', () => {
  expect(orphanStates([worker(1), orphan(process.pid, [])])).toEqual([
    {
      pmId: '',
      pid: process.pid,
      status: 'orphaned',
      release: '20260101000001',
      phase: 'open',
      restarts: 0,
      memoryBytes: expect.any(Number),
      traffic: null,
    },
  ])
  expect(orphanStates([orphan(process.pid, [])])[0]!.memoryBytes).toBeGreaterThan(1_000_000)
})

const folder = temporaryFolders()
const started: { kill(signal: NodeJS.Signals): unknown }[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

test('a daemon whose Node or PM2 is gone can start no worker, and what to do depends on the workers', async () => {
  const node = join(folder(), 'node')
  copyFileSync(process.execPath, node)
  const child = spawn(node, ['-e', 'console.log("up"); setInterval(() => 0, 1000)'])
  started.push(child)
  await once(child.stdout, 'data')
  const pid = child.pid!
  const listed = [{ pid: 7, status: 'online' }] as Pm2Process[]
  const ours = [worker(7, { outlives: true })]
  const check = (program: string | null, records = ours, all = listed) =>
    failureOf((async () => assertNotStranded({ pid, program }, all, records))())

  assertNotStranded({ pid, program: import.meta.filename }, listed, ours)
  expect(await check('/gone/pm2/lib/Daemon.js')).toMatchObject({
    code: 'pm2-stranded',
    remedy: expect.stringContaining(`kill -9 ${pid}`),
  })
  rmSync(node)
  expect((await check(null)).message).toContain(`"${node}"`)
  // A worker of an older launcher, or of another app, dies with the daemon.
  expect((await check(null, [])).remedy).toContain('pm2 update')
  const another = [...listed, { pid: 8, status: 'online' }] as Pm2Process[]
  expect((await check(null, ours, another)).remedy).toContain('pm2 update')
  // A newer one of that name does.
  copyFileSync(process.execPath, node)
  assertNotStranded({ pid, program: null }, listed, ours)
})
