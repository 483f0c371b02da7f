import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import type { Activation } from '../../../src/agent/activation/context.ts'
import { activate } from '../../../src/agent/activation/activate.ts'
import { assertNotOvertaken } from '../../../src/agent/activation/overtaken.ts'
import type { Pm2, Pm2Process } from '../../../src/agent/pm2/client.ts'
import type { RunInfo } from '../../../src/protocol/messages.ts'
import { releaseFiles } from '../../../src/agent/store/layout.ts'
import { readInfo } from '../../../src/agent/store/releases.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import type { WorkerRecord } from '../../../src/worker/worker-record.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { failureOf } from '../../support/failure.ts'
import { newLayout, request, run, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()

const urlOf = (runId: number, repository = 'acme/shop') =>
  `https://github.com/${repository}/actions/runs/${runId}`
const [current, early] = ['20260101000001', '2026-01-01T00:00:00.000Z'] as const
/** A run that waited while a later one went live. */
const late: RunInfo = { ...run, event: 'push', runUrl: urlOf(107), runNumber: 7 }

describe('a run that comes late', () => {
  /** Asks whether the run may go on while a release of this run is current. */
  async function goesOn(changes: Partial<RunInfo>, mine: Partial<RunInfo> = {}, kind = 'deploy') {
    const layout = newLayout(folder())
    const directory = writeRelease(layout, current, early)
    const { info, verified } = releaseFiles(directory)
    const later = { ...late, runUrl: urlOf(108), runNumber: 8, ...changes }
    writeFileSync(info, JSON.stringify({ ...(await readInfo(layout, current)), ...later }))
    writeFileSync(verified, JSON.stringify({ activatedAt: early, activation: 'a', kind, leftBy: null }))
    return assertNotOvertaken(layout, { ...late, ...mine }, current)
  }

  test('is refused when a later run of the same repository and branch is current', async () => {
    expect(await failureOf(goesOn({}))).toMatchObject({
      code: 'overtaken',
      message: `Run 7 of "Deploy" was overtaken: run 8 of "Deploy" has already deployed ${current}.`,
    })
  })

  test('is refused whatever became of the workflow’s name and number', async () => {
    expect(await failureOf(goesOn({ workflow: 'Release', runNumber: 1 }))).toMatchObject({
      code: 'overtaken',
    })
  })

  test.each<[string, Partial<RunInfo>, Partial<RunInfo>?]>([
    ['an earlier run is current', { runUrl: urlOf(106) }],
    // Its number is higher: that of a workflow that was renamed.
    ['an earlier run with a higher number is current', { runUrl: urlOf(106), runNumber: 900 }],
    ['the same run is current', { runUrl: urlOf(107) }],
    ['another repository is current', { runUrl: urlOf(108, 'acme/moved') }],
    ['another branch is current', { ref: 'refs/heads/next' }],
    ['a run by hand is current', { event: 'workflow_dispatch' }],
    ['nobody knows where the current release came from', { runUrl: '' }],
    ['somebody asked for it again', {}, { runAttempt: 2 }],
    ['somebody asked for it by hand', {}, { event: 'workflow_dispatch' }],
    ['it did not come from GitHub', {}, { runUrl: '' }],
  ])('goes on when %s', async (_, changes, mine = {}) => {
    await goesOn(changes, mine)
  })

  test('goes on when a rollback brought the current release back, or there is none', async () => {
    await goesOn({}, {}, 'rollback')
    await assertNotOvertaken(newLayout(folder()), late, null)
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
    outlives: false,
    orphaned: null,
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
