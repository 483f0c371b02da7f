import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import type { Layout } from '../../../src/agent/store/layout.ts'
import { servingRelease } from '../../../src/agent/pm2/serving.ts'
import { activationFile } from '../../../src/worker/activation-file.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import type { WorkerRecord } from '../../../src/worker/worker-record.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const [old, next] = ['20260101000001', '20260101000002'] as const
const processes: ChildProcess[] = []
afterEach(() => {
  for (const child of processes.splice(0)) child.kill('SIGKILL')
})

/** A living process that says this of itself. */
function worker(layout: Layout, changes: Partial<WorkerRecord>): ChildProcess {
  const child = spawn('sleep', ['60'])
  processes.push(child)
  const pid = child.pid!
  const record = {
    pid,
    startTime: startTimeOf(pid)!,
    release: old,
    candidate: false,
    phase: 'open',
    port: 0,
    doorPort: 0,
    detail: '',
    excerpt: '',
    ...changes,
  }
  mkdirSync(layout.workers, { recursive: true })
  writeFileSync(join(layout.workers, `${pid}.json`), JSON.stringify(record))
  return child
}

function onTrial(layout: Layout, target: string): void {
  const self = { pid: process.pid, startTime: startTimeOf(process.pid) }
  writeFileSync(
    activationFile(layout.base),
    JSON.stringify({ ...self, target, observe: true, stay: true, halt: false }),
  )
}

test('what the open workers serve is told, and nothing where none is open', async () => {
  const layout = newLayout(folder())
  expect(await servingRelease(layout)).toBeNull()
  worker(layout, { phase: 'draining' })
  worker(layout, { phase: 'proving' })
  worker(layout, { candidate: true })
  expect(await servingRelease(layout)).toBeNull()
  worker(layout, {})
  expect(await servingRelease(layout)).toBe(old)
})

test('where two releases take traffic it is the one that is not on trial, or nobody knows', async () => {
  const layout = newLayout(folder())
  worker(layout, {})
  const successor = worker(layout, { release: next })
  expect(await servingRelease(layout)).toBeNull()
  onTrial(layout, next)
  expect(await servingRelease(layout)).toBe(old)
  const gone = new Promise((resolve) => successor.once('exit', resolve))
  successor.kill('SIGKILL')
  await gone
  expect(await servingRelease(layout)).toBe(old)
})

test('a release on trial that alone takes traffic serves', async () => {
  const layout = newLayout(folder())
  worker(layout, { release: next })
  onTrial(layout, next)
  expect(await servingRelease(layout)).toBe(next)
})
