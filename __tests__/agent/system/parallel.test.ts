import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { inParallel } from '../../../src/agent/system/parallel.ts'

describe('in parallel', () => {
  test('acts on each item once, on no more than so many at once', async () => {
    const seen: number[] = []
    let [now, most] = [0, 0]
    await inParallel(
      Array.from({ length: 50 }, (_, index) => index),
      4,
      async (item) => {
        now += 1
        most = Math.max(most, now)
        await delay(item % 3)
        seen.push(item)
        now -= 1
      },
    )
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index))
    expect(most).toBe(4)
  })

  test('ends with the first failure, when those under way have ended', async () => {
    let [begun, ended] = [0, 0]
    async function* endless() {
      for (;;) yield 0
    }
    const work = inParallel(endless(), 3, async () => {
      begun += 1
      const mine = begun
      await delay(5)
      ended += 1
      if (mine === 4) throw new Error('the fourth')
    })
    await expect(work).rejects.toThrow('the fourth')
    expect(ended).toBe(begun)
  })
})
