import { describe, expect, test } from '@jest/globals'
import { batches } from '../../src/phases/rollout.ts'

describe('the hosts switch', () => {
  const ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

  test.each([
    [{ hosts: 1 }, ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']],
    [{ hosts: 4 }, ['1', '2,3,4,5', '6,7,8,9', '10']],
    [{ percent: 25 }, ['1', '2,3,4', '5,6,7', '8,9,10']],
    [{ percent: 100 }, ['1', '2,3,4,5,6,7,8,9,10']],
  ])('the first alone, then %j at a time', (size, expected) => {
    expect(batches(ten, size).map(String)).toEqual(expected)
  })

  test('alone, where there is only one', () => {
    expect(batches([1], { percent: 50 })).toEqual([[1]])
  })
})
