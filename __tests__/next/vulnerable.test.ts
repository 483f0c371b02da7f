import { describe, expect, test } from '@jest/globals'
import { holesOf, refuseVulnerableNext } from '../../src/next/vulnerable.ts'
import { Failure } from '../../src/common/failure.ts'

const RCE = 'CVE-2025-66478'
const BYPASS = 'CVE-2025-29927'

describe('critical holes of Next.js', () => {
  test.each([
    ['11.1.3', []],
    ['12.3.4', [BYPASS]],
    ['12.3.5', []],
    ['13.5.8', [BYPASS]],
    ['13.5.9', []],
    ['14.2.24', [BYPASS]],
    ['14.2.25', []],
    ['14.2.35', []],
    ['14.3.0-canary.76', []],
    ['14.3.0-canary.77', [RCE]],
    ['15.0.0-canary.1', [RCE, BYPASS]],
    ['15.0.4', [RCE, BYPASS]],
    ['15.0.5', [BYPASS]],
    ['15.1.0-canary.3', [RCE, BYPASS]],
    ['15.1.9', [BYPASS]],
    ['15.2.2', [RCE, BYPASS]],
    ['15.2.3', [RCE]],
    ['15.2.6', []],
    ['15.3.5', [RCE]],
    ['15.3.6', []],
    ['15.4.7', [RCE]],
    ['15.4.8', []],
    ['15.5.6', [RCE]],
    ['15.5.7', []],
    ['15.5.29', []],
    ['15.6.0-canary.57', [RCE]],
    ['15.6.0-canary.58', []],
    ['16.0.0-beta.0', [RCE]],
    ['16.0.6', [RCE]],
    ['16.0.7', []],
    ['16.1.0-canary.11', [RCE]],
    ['16.1.0-canary.12', []],
    ['16.4.6', []],
    ['17.0.0', []],
    ['workspace:*', []],
    ['', []],
  ])('Next.js %j has %j', (version, ids) => {
    expect(holesOf(version).map((hole) => hole.ids[0])).toEqual(ids)
  })
})

const refusal = (version: string, allowed: readonly string[] = []) => {
  try {
    return refuseVulnerableNext(version, allowed)
  } catch (error) {
    return Failure.from(error)
  }
}

test('the refusal has the advisory, the version and the first fixed version in one line', () => {
  expect(refusal('16.0.6')).toMatchObject({
    code: 'next-vulnerable',
    message:
      'Next.js 16.0.6 has the critical hole CVE-2025-66478 / CVE-2025-55182 ' +
      '(strangers can run code on the server, first fixed in 16.0.7).',
  })
})

test('the remedy names a version without any of the holes', () => {
  // 15.2.3 closes the bypass, and has the other hole.
  expect((refusal('15.1.0') as Failure).remedy).toContain('Upgrade `next` to 15.2.6 or later')
})

test.each([RCE, 'CVE-2025-55182'])('%s lets the hole pass by either of its names, with a warning', (id) => {
  expect(refusal('16.0.6', [id])).toEqual([expect.stringContaining('CVE-2025-55182')])
})

test('an allowed hole lets no other hole pass', () => {
  expect(refusal('15.1.0', [BYPASS])).toMatchObject({ code: 'next-vulnerable' })
  expect(refusal('15.1.0', [BYPASS, RCE])).toHaveLength(2)
})
