import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from '@jest/globals'
import { dismissForgotten } from '../../../src/agent/activation/signals.ts'
import type { Pm2, Pm2Process } from '../../../src/agent/pm2/client.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'
import { newLayout } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const processes: ChildProcess[] = []
afterEach(() => {
  for (const child of processes.splice(0)) child.kill('SIGKILL')
})

test('an open worker that PM2 does not list is told to leave, and no other process', async () => {
  const layout = newLayout(folder())
  mkdirSync(layout.workers, { recursive: true })
  const worker = (phase: string, candidate = false) => {
    const child = spawn('sleep', ['60'])
    processes.push(child)
    const pid = child.pid!
    const self = { pid, startTime: startTimeOf(pid), release: '20260101000001', candidate, phase }
    const record = { ...self, port: 0, doorPort: 0, leavesAt: null, detail: '', excerpt: '' }
    writeFileSync(join(layout.workers, `${pid}.json`), JSON.stringify(record))
    return child
  }
  const [listed, forgotten] = [worker('open'), worker('open')]
  const others = [worker('open', true), worker('proving'), worker('draining')]
  const list = [{ pid: listed.pid! }] as Pm2Process[]
  const pm2 = { list: async () => list } as unknown as Pm2
  await dismissForgotten({ layout, pm2, appName: 'site' })
  await until('it has left', () => forgotten.signalCode !== null)
  expect(forgotten.signalCode).toBe('SIGINT')
  expect([listed, ...others].map(({ signalCode }) => signalCode)).toEqual([null, null, null, null])
})
