import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import {
  formatLine,
  type Line,
  nameOf,
  pageTag,
  parseLine,
  Revalidations,
} from '../../../src/worker/shared-cache/revalidations.ts'

const NOW = 1_800_000_000_000
const time = fc.integer({ min: 0, max: NOW })
const tag = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('__proto__', '', '\n', '\0'),
)
const line: fc.Arbitrary<Line> = fc.oneof(
  fc.record({
    kind: fc.constant('revalidated' as const),
    name: tag.map(nameOf),
    times: fc.record({ at: time, stale: time, until: time }),
  }),
  fc.record({ kind: fc.constant('floor' as const), at: time }),
  fc.constant({ kind: 'closed' } as const),
)

describe('a line', () => {
  test('is one line, and reads as it was written', () => {
    fc.assert(
      fc.property(line, (written) => {
        const text = formatLine(written)
        expect(text).not.toContain('\n')
        expect(parseLine(Buffer.from(text).toString())).toEqual(written)
      }),
    )
  })

  test('that is anything else is none', () => {
    fc.assert(fc.property(fc.string(), (text) => parseLine(text) === null || Array.isArray(JSON.parse(text))))
    for (const text of [
      '[1,"a",-1,0,0]',
      '[1,"a",1e999,0,0]',
      '[1,"a","1",0,0]',
      '[1,2,0,0,0]',
      '[2]',
      '[2,-1]',
      '{}',
      'null',
    ])
      expect(parseLine(text)).toBeNull()
  })
})

describe('what was revalidated', () => {
  const known = (lines: readonly Line[], most?: number) => {
    const all = new Revalidations(() => NOW, most)
    for (const each of lines) all.apply(each)
    return all
  }

  test('is the same after its lines were written and read again', () => {
    fc.assert(
      fc.property(fc.array(line), fc.array(tag), (lines, tags) => {
        const first = known(lines)
        const second = known([...first.lines()])
        for (const each of tags) expect(second.timesOf(each)).toEqual(first.timesOf(each))
      }),
    )
  })

  test('is forgotten only where everything older counts as old', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 60 }), (lines) => {
        const [all, few] = [known(lines), known(lines, 8)]
        expect([...few.lines()].length).toBeLessThanOrEqual(9)
        for (const each of lines) {
          if (each.kind !== 'revalidated') continue
          const { at, stale } = all.timesOf(each.name)
          const forgetful = few.timesOf(each.name)
          expect(Math.max(forgetful.at, forgetful.stale)).toBeGreaterThanOrEqual(Math.max(at, stale))
          expect(forgetful.at).toBeGreaterThanOrEqual(at)
        }
      }),
    )
  })

  test('takes as many bytes as it says, about', () => {
    const all = known(
      Array.from({ length: 500 }, (_, index) => ({
        kind: 'revalidated',
        name: `tag-${index}`,
        times: { at: NOW, stale: 0, until: 0 },
      })),
    )
    const bytes = [...all.lines()].reduce((sum, each) => sum + formatLine(each).length + 1, 0)
    expect(all.bytes).toBeGreaterThanOrEqual(bytes)
    expect(all.bytes).toBeLessThan(3 * bytes)
  })
})

test('a page is no tag of the same name', () => {
  expect(pageTag('/news')).not.toBe('/news')
})

test('tags too long to keep are told from each other', () => {
  const long = 'x'.repeat(100_000)
  expect(nameOf(long)).not.toBe(nameOf(`${long}y`))
  expect(nameOf(long).length).toBeLessThan(100)
  expect(nameOf(nameOf(long))).toBe(nameOf(long))
})
