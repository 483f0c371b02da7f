import { describe, expect, test } from '@jest/globals'
import { assertNotOvertaken } from '../../../src/agent/activation/overtaken.ts'
import type { ReleaseInfo, RunInfo } from '../../../src/protocol/messages.ts'
import { run } from '../releases-on-disk.ts'

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
