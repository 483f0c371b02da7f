import { describe, expect, test } from '@jest/globals'
import { nextReleaseId, releaseTime } from '../../src/protocol/release-id.ts'

describe('a release’s id', () => {
  const now = new Date('2026-11-20T15:52:03.999Z')

  test.each([
    ['is the UTC second', [], '20261120155203'],
    ['is the UTC second, where all others are older', ['20261120155202', null], '20261120155203'],
    ['is never one that is taken', ['20261120155203'], '20261120155204'],
    [
      'is later than the newest on any host, though the clock is behind',
      ['20261231235959', null],
      '20270101000000',
    ],
  ])('%s', (_, taken, id) => {
    expect(nextReleaseId(now, taken)).toBe(id)
  })

  test('tells its time', () => {
    expect(releaseTime('20261120155203').toISOString()).toBe('2026-11-20T15:52:03.000Z')
  })
})
