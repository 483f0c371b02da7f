import { describe, expect, test } from '@jest/globals'
import { mayRunTogether } from '../../../src/agent/activation/memory.ts'

const MiB = 1024 * 1024
const workers = (...sizes: number[]) => sizes.map((size) => ({ memoryBytes: size * MiB }))

describe('old and new workers run together', () => {
  test('where the new ones have room, each as large as the largest of the old ones and a fifth more', () => {
    expect(mayRunTogether(workers(100, 200), 2, 480 * MiB)).toBe(true)
    expect(mayRunTogether(workers(100, 200), 2, 479 * MiB)).toBe(false)
  })

  test('where nothing runs yet, as far as usual workers have room', () => {
    expect(mayRunTogether([], 4, 1024 * MiB)).toBe(true)
    expect(mayRunTogether(workers(0), 4, 256 * MiB)).toBe(false)
  })

  test('in any case where there is only one: it needs its successor beside it', () => {
    expect(mayRunTogether(workers(900), 1, 10 * MiB)).toBe(true)
  })
})
