import { describe, expect, test } from '@jest/globals'
import { formatAge, formatBytes, formatDuration, listed, plural } from '../../src/common/format.ts'

test.each([
  [0, '0 ms'],
  [0.4, '0 ms'],
  [999, '999 ms'],
  [999.6, '1.0 s'],
  [1000, '1.0 s'],
  [12_340, '12.3 s'],
  [59_940, '59.9 s'],
  [59_960, '1 min 0 s'],
  [60_000, '1 min 0 s'],
  [119_600, '2 min 0 s'],
  [754_000, '12 min 34 s'],
])('%d ms is %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 KB'],
  [999_949, '999.9 KB'],
  [999_950, '1.0 MB'],
  [39_000_000, '39.0 MB'],
  [2_500_000_000, '2.5 GB'],
  [7_000_000_000_000, '7000.0 GB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

describe('a count', () => {
  test.each([
    [0, '0 files'],
    [1, '1 file'],
    [2, '2 files'],
  ])('of %d is %s', (count, text) => {
    expect(plural(count, 'file')).toBe(text)
  })
})

test.each([
  [['a', 'b'], undefined, 'a, b'],
  [['a', 'b', 'c', 'd', 'e', 'f', 'g'], undefined, 'a, b, c, d, e and 2 more'],
  [['a', 'b'], 2000, 'a, b and 1998 more'],
])('the names %j of %s are listed as %s', (names, count, text) => {
  expect(listed(names, count)).toBe(text)
})

test.each([
  [-5000, 'just now'],
  [59_999, 'just now'],
  [60_000, '1 minute ago'],
  [7_200_000, '2 hours ago'],
  [86_400_000 * 3.9, '3 days ago'],
])('an age of %d ms is told as %s', (ms, text) => {
  expect(formatAge(ms)).toBe(text)
})
