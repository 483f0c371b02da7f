import { describe, expect, test } from '@jest/globals'
import { reaches, satisfies } from '../../src/next/version-range.ts'

/** Each range with versions that satisfy it, and versions that do not. */
const ranges: readonly [string, readonly string[], readonly string[]][] = [
  // As Next.js 14, 15 and 16 have it.
  ['>=18.17.0', ['18.17.0', '18.18.1', '24.0.0'], ['18.16.9', '16.20.2']],
  [
    '^18.18.0 || ^19.8.0 || >= 20.0.0',
    ['18.18.0', '18.99.0', '19.8.0', '20.0.0', '24.1.0'],
    ['18.17.9', '19.7.9', '16.0.0'],
  ],
  ['>=20.9.0', ['20.9.0', '22.0.0'], ['20.8.9', '18.20.0']],
  // As apps have it.
  ['20', ['20.0.0', '20.19.5'], ['19.9.9', '21.0.0']],
  ['20.x', ['20.0.0', '20.19.5'], ['19.9.9', '21.0.0']],
  ['v20.11', ['20.11.0', '20.11.9'], ['20.10.9', '20.12.0']],
  ['=22.1.0', ['22.1.0'], ['22.1.1', '22.0.9']],
  ['22.1.0', ['22.1.0'], ['22.1.1']],
  ['~20.11.1', ['20.11.1', '20.11.9'], ['20.11.0', '20.12.0']],
  ['~20', ['20.0.0', '20.99.0'], ['21.0.0']],
  ['^20.11.1', ['20.11.1', '20.99.0'], ['20.11.0', '21.0.0']],
  ['^0.12', ['0.12.7'], ['0.13.0', '0.11.0', '1.0.0']],
  ['^0.0.3', ['0.0.3'], ['0.0.4']],
  ['>20', ['21.0.0'], ['20.0.0', '20.99.0']],
  ['>20.11', ['20.12.0'], ['20.11.9']],
  ['>20.11.1', ['20.11.2'], ['20.11.1']],
  ['<=22', ['22.99.0', '4.0.0'], ['23.0.0']],
  ['<22', ['21.99.0'], ['22.0.0']],
  ['>=18 <23', ['18.0.0', '22.9.0'], ['17.9.0', '23.0.0']],
  ['>= 18.0.0   < 21', ['20.0.0'], ['21.0.0']],
  ['18 - 20', ['18.0.0', '20.99.0'], ['17.0.0', '21.0.0']],
  ['18.2.0 - 20.1', ['18.2.0', '20.1.9'], ['18.1.9', '20.2.0']],
  ['*', ['4.0.0'], []],
  ['', ['4.0.0'], []],
  ['16 || 18 || 20', ['16.1.0', '18.1.0', '20.1.0'], ['17.0.0', '19.0.0']],
]

describe.each(ranges)('%s', (range, inside, outside) => {
  test('holds these', () => {
    expect(inside.filter((version) => satisfies(version, range) !== true)).toEqual([])
  })
  test('and not those', () => {
    expect(outside.filter((version) => satisfies(version, range) !== false)).toEqual([])
  })
})

test('a nightly build counts as the release it leads to', () => {
  expect(satisfies('24.0.0-nightly20250101abc', '>=24')).toBe(true)
})

test.each(['lts/*', 'latest', '>=18 || lts/iron', '20.1.2.3', '<>20', '>= eighteen'])(
  'a range that cannot be read is neither satisfied nor not: %s',
  (range) => {
    expect(satisfies('20.0.0', range)).toBeUndefined()
  },
)

test.each([
  ['^13.0.0', false],
  ['13', false],
  ['13.5.11', false],
  ['>=12 <14', false],
  ['12 || 13', false],
  ['~13.9.9', false],
  ['^14.0.0', true],
  ['14.0.0', true],
  ['>=12', true],
  ['13 || 14', true],
  ['*', true],
  ['16.2.0-canary.5', true],
  ['catalog:', undefined],
  ['latest', undefined],
])('%s reaches 14.0.0: %s', (range, expected) => {
  expect(reaches(range, '14.0.0')).toBe(expected)
})
