import { describe, expect, test } from '@jest/globals'
import { Bitmap } from '../../src/common/bitmap.ts'

const of = (...indexes: readonly number[]) => {
  const bitmap = new Bitmap()
  for (const index of indexes) bitmap.set(index)
  return bitmap
}
const membersOf = (bitmap: Bitmap, limit = 2000) =>
  Array.from({ length: limit }, (_, index) => index).filter((index) => bitmap.has(index))

describe('a bitmap', () => {
  test.each([[[]], [[0]], [[7]], [[8]], [[0, 7, 8, 9, 200]], [[1999]]])('travels as it is: %j', (members) => {
    const there = Bitmap.parse(of(...members).format())
    expect(membersOf(there)).toEqual(members)
    expect(there.count).toBe(members.length)
  })

  test('counts each bit once', () => {
    expect(of(3, 3, 500, 3).count).toBe(2)
  })

  test('takes in what another one has', () => {
    const bitmap = of(1, 9)
    bitmap.include(of(0, 9, 300))
    expect(membersOf(bitmap)).toEqual([0, 1, 9, 300])
    expect(bitmap.count).toBe(4)
  })

  test('of nothing is no text at all', () => {
    expect(new Bitmap().format()).toBe('')
  })

  test('takes one bit a file', () => {
    expect(of(49_999).format().length).toBeLessThan(8400)
  })
})
