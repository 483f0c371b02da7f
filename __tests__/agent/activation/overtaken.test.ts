import { writeFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { assertNotOvertaken } from '../../../src/agent/activation/overtaken.ts'
import type { RunInfo } from '../../../src/protocol/messages.ts'
import { releaseFiles } from '../../../src/agent/store/layout.ts'
import { readInfo } from '../../../src/agent/store/releases.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { failureOf } from '../../support/failure.ts'
import { newLayout, run, writeRelease } from '../releases-on-disk.ts'

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
      message: `Run 7 of "Deploy" was overtaken: run 8 of "Deploy" has already deployed "${current}".`,
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
