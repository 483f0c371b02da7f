import { describe, expect, test } from '@jest/globals'
import { startProgress } from '../../src/phases/progress.ts'

/** @param steps when, in ms, and how many bytes were done then */
function linesOf(total: number, steps: readonly (readonly [number, number])[]): readonly string[] {
  const lines: string[] = []
  let time = 0
  const done = startProgress({ info: (line) => lines.push(line) }, 'sent', total, () => time)
  for (const [at, bytes] of steps) {
    time = at
    done(bytes)
  }
  return lines
}

describe('progress', () => {
  test('is told every two seconds at most: how much, how fast, how long still', () => {
    const steps = Array.from({ length: 100 }, (_, index) => [(index + 1) * 100, 1_000_000] as const)
    expect(linesOf(100_000_000, steps)).toEqual([
      'sent 20.0 MB of 100.0 MB, 10.0 MB/s, 8.0 s left',
      'sent 40.0 MB of 100.0 MB, 10.0 MB/s, 6.0 s left',
      'sent 60.0 MB of 100.0 MB, 10.0 MB/s, 4.0 s left',
      'sent 80.0 MB of 100.0 MB, 10.0 MB/s, 2.0 s left',
    ])
  })

  test('is not told of short work, nor of its end', () => {
    expect(
      linesOf(100, [
        [1900, 50],
        [5000, 50],
      ]),
    ).toEqual([])
  })

  test('of work that stands still for long is told when it goes on', () => {
    expect(
      linesOf(1000, [
        [100, 100],
        [60_000, 100],
      ]),
    ).toEqual(['sent 200 B of 1.0 KB, 3 B/s, 4 min 0 s left'])
  })
})
