import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import type { Activation } from '../../../src/agent/activation/context.ts'
import { activate } from '../../../src/agent/activation/activate.ts'
import { assertNotOvertaken } from '../../../src/agent/activation/overtaken.ts'
import type { Pm2, Pm2Process } from '../../../src/agent/pm2.ts'
import type { ReleaseInfo, RunInfo } from '../../../src/protocol/messages.ts'
import { startTimeOf } from '../../../src/server/process-identity.ts'
import type { WorkerRecord } from '../../../src/server/worker-record.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { failureOf } from '../../support/failure.ts'
import { newLayout, request, run, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()

const late: RunInfo = { ...run, runNumber: 7 }
const live = (changes: Partial<RunInfo>): ReleaseInfo => ({
  ...late,
  runNumber: 8,
  ...changes,
  id: '20260101000001',
  created: '',
  entry: 'server.js',
  staticPath: null,
  nextVersion: '16.4.6',
  contentHash: '',
  distDir: null,
})

describe('a run that comes late', () => {
  test('is refused when a later run of the same workflow and branch is live', () => {
    expect(() => assertNotOvertaken(late, live({}))).toThrow(
      'run 7 of Deploy came late: 20260101000001 of the later run 8 is live already',
    )
  })

  test.each([
    ['nothing is live', null],
    ['an earlier run is live', live({ runNumber: 6 })],
    ['the same run is live', live({ runNumber: 7 })],
    ['another workflow is live', live({ workflow: 'Preview' })],
    ['another branch is live', live({ ref: 'refs/heads/next' })],
  ])('goes on when %s', (_, release) => {
    expect(() => assertNotOvertaken(late, release)).not.toThrow()
  })

  test('goes on when somebody asked for it again, or when nobody numbered it', () => {
    expect(() => assertNotOvertaken({ ...late, runAttempt: 2 }, live({}))).not.toThrow()
    expect(() =>
      assertNotOvertaken({ ...late, workflow: '', runNumber: 0 }, live({ workflow: '' })),
    ).not.toThrow()
  })
})

const id = '20260101000002'

/** An activation that finds this release current. It may list PM2's processes, and do nothing else. */
function finds(
  changes: Partial<typeof request>,
  activatedAt: string | null = '2026-01-01T00:00:00.000Z',
  phase: WorkerRecord['phase'] = 'open',
): Activation {
  const layout = newLayout(folder())
  writeRelease(layout, id, activatedAt)
  const { pid } = process
  const record: WorkerRecord = {
    pid,
    startTime: startTimeOf(pid)!,
    release: id,
    candidate: false,
    phase,
    port: 0,
    doorPort: 0,
    leavesAt: null,
    detail: '',
    excerpt: '',
    movedPorts: null,
  }
  writeFileSync(join(layout.workers, `${pid}.json`), JSON.stringify(record))
  const worker = { id: 0, pid, status: 'online', restarts: 0, memoryBytes: 0 } as Pm2Process
  const pm2 = { list: async () => [worker] } as unknown as Pm2
  const job = { request: { ...request, ...changes } }
  return { job, layout, pm2, appName: 'app', live: id } as unknown as Activation
}

describe('an activation that was decided on while another release was current', () => {
  const replaces = '20260101000003'

  test('does nothing when it is a restore, and reports the release that serves', async () => {
    expect(await activate(finds({ kind: 'restore', replaces }))).toMatchObject({
      status: 'restored',
      live: id,
      failure: { code: 'overtaken', message: `${id} replaced ${replaces} before it could be taken back.` },
    })
    expect(await activate(finds({ kind: 'restore', replaces }, null))).toMatchObject({ status: 'down' })
  })

  test('fails before it touches anything when it is a rollback', async () => {
    expect(await failureOf(activate(finds({ kind: 'rollback', replaces })))).toMatchObject({
      code: 'overtaken',
    })
  })
})

describe('one that died, and was succeeded before it was taken up,', () => {
  const taken = (activatedAt: string | null, phase: WorkerRecord['phase']) =>
    activate({ ...finds({}, activatedAt, phase), succeeded: true })

  test('leaves what is live as it is', async () => {
    expect(await taken('2026-01-01T00:00:00.000Z', 'open')).toMatchObject({
      status: 'restored',
      live: id,
      failure: { code: 'overtaken' },
    })
  })

  test('vouches for nothing that was not shown to serve', async () => {
    expect(await taken(null, 'open')).toMatchObject({ status: 'down', live: id })
    expect(await taken('2026-01-01T00:00:00.000Z', 'draining')).toMatchObject({ status: 'down', live: null })
  })
})
