import { describe, expect, test } from '@jest/globals'
import { agreed, type Ended, nothingKnown, overall, together } from '../src/outcome.ts'
import { Failure } from '../src/common/failure.ts'
import type { ActivationStatus, Verdict } from '../src/protocol/messages.ts'

const [before, now] = ['20260101000001', '20260101000002']
const verdict = (status: ActivationStatus, live: string | null): Verdict => ({
  status,
  live,
  previous: before,
  rollsBackTo: null,
  notFound: '',
  watch: null,
  failure: null,
  workers: [],
})
const ended = (name: string, status: ActivationStatus, live: string | null, why?: string): Ended => ({
  name,
  verdict: verdict(status, live),
  failure: why === undefined ? null : new Failure('worker-died', why),
})

describe('several hosts are', () => {
  test.each<[ActivationStatus, readonly ActivationStatus[]]>([
    ['live', ['live', 'live']],
    ['kept', ['kept', 'kept']],
    ['restored', ['restored', 'kept']],
    ['restored', ['kept', 'restored', 'restored']],
    ['down', ['live', 'kept']],
    ['down', ['live', 'restored']],
    ['down', ['restored', 'down', 'kept']],
  ])('%s where they are %j', (expected, statuses) => {
    expect(overall(statuses)).toBe(expected)
  })
})

describe('what serves at the end', () => {
  test('is told only where all hosts serve the same', () => {
    expect(agreed([now, now])).toBe(now)
    expect(agreed([now, before])).toBeNull()
    expect(agreed([now, null])).toBeNull()
    expect(agreed([])).toBeNull()
  })
})

describe('the outcome of several hosts', () => {
  test('is green only where every one is live', () => {
    const outcome = together(nothingKnown, [ended('a', 'live', now), ended('b', 'live', now)])
    expect(outcome).toMatchObject({
      status: 'live',
      succeeded: true,
      liveRelease: now,
      previousRelease: before,
      failure: null,
    })
    expect(outcome.hosts.map(({ name, status, live }) => [name, status, live])).toEqual([
      ['a', 'live', now],
      ['b', 'live', now],
    ])
  })

  test('has the failure that nothing cured, before one that was', () => {
    const outcome = together(nothingKnown, [
      ended('a', 'restored', before, 'b died'),
      ended('b', 'down', null, 'b died; then the way back failed'),
    ])
    expect(outcome).toMatchObject({ status: 'down', succeeded: false, liveRelease: null })
    expect(outcome.failure?.message).toBe('b died; then the way back failed')
    expect(outcome.hosts.map(({ failure }) => failure?.message)).toEqual([
      'b died',
      'b died; then the way back failed',
    ])
  })
})
