import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { isWorse, judge, lookAt, type Seen, shareOf } from '../../../src/agent/activation/judge.ts'

const well: Seen = {
  own: { answered: 1000, failed: 0 },
  before: { answered: 1000, failed: 0 },
  restarts: 0,
  restartsBefore: 0,
  lastLook: 0,
}

const share = fc
  .tuple(fc.integer({ min: 0, max: 50_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([answered, part]) => ({ answered, failed: Math.round(answered * part) }))

describe('a release is taken back', () => {
  test.each<[string, Partial<Seen>, string]>([
    ['when a worker restarts', { restarts: 1 }, 'restarted'],
    ['when every answer fails', { own: { answered: 20, failed: 20 } }, 'worse'],
    ['when a tenth fails', { own: { answered: 200, failed: 20 } }, 'worse'],
    ['when it restarts and nothing is known of the one before', { restarts: 1, before: null }, 'restarted'],
  ])('%s', (_, changes, expected) => {
    expect(judge({ ...well, ...changes })).toBe(expected)
  })
})

describe('a release stays', () => {
  test.each<[string, Partial<Seen>]>([
    ['with fewer than 20 answers', { own: { answered: 19, failed: 19 } }],
    ['when nothing is known of the one before', { before: null, own: { answered: 500, failed: 500 } }],
    [
      'when the one before failed as often',
      { own: { answered: 900, failed: 90 }, before: { answered: 900, failed: 90 } },
    ],
    ['when the one before restarted as often', { restarts: 1, restartsBefore: 1 }],
    [
      'when it restarts, and the one before failed far more often',
      { restarts: 1, before: { answered: 500, failed: 250 } },
    ],
    [
      'below one percentage point',
      { own: { answered: 1e6, failed: 9000 }, before: { answered: 1e6, failed: 0 } },
    ],
    ['between two looks', { own: { answered: 200, failed: 20 }, lastLook: lookAt(200) }],
  ])('%s', (_, changes) => {
    expect(judge({ ...well, ...changes })).toBe('well')
  })
})

test('no two releases are each worse than the other', () => {
  fc.assert(fc.property(share, share, (one, other) => !(isWorse(one, other, 1) && isWorse(other, one, 1))))
})

test('a release stays that is less than one percentage point worse', () => {
  fc.assert(
    fc.property(share, share, (one, other) => {
      return shareOf(one) - shareOf(other) >= 0.01 || !isWorse(one, other, 1)
    }),
  )
})

test('more failures never make a release look better, and a later look never stricter evidence', () => {
  fc.assert(
    fc.property(share, share, fc.integer({ min: 1, max: 80 }), (one, other, look) => {
      if (one.failed === one.answered || !isWorse(one, other, look)) return true
      return isWorse({ ...one, failed: one.failed + 1 }, other, look) && isWorse(one, other, 1)
    }),
  )
})

/** A generator whose numbers are the same in each run. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The look that is due at each count of answers. Millions of them are simulated. */
const LOOKS = Array.from({ length: 5000 }, (_, answered) => lookAt(answered))

/** Watches a release for so many answers. @returns after how many it was taken back; null: it stayed */
function watched(
  random: () => number,
  rate: number,
  rateBefore: number,
  answersBefore: number,
  most: number,
) {
  let before = 0
  for (let index = 0; index < answersBefore; index += 1) if (random() < rateBefore) before += 1
  const own = { answered: 0, failed: 0 }
  let lastLook = 0
  while (own.answered < most) {
    own.answered += 1
    if (random() < rate) own.failed += 1
    const look = LOOKS[own.answered] ?? lookAt(own.answered)
    if (look === lastLook) continue
    const seen = { ...well, own, before: { answered: answersBefore, failed: before }, lastLook }
    if (judge(seen) === 'worse') return own.answered
    lastLook = look
  }
  return null
}

test('of 10,000 releases as good as the one before, at most 10 are taken back', () => {
  const random = generator(1)
  const rates = [0, 0.001, 0.01, 0.05, 0.2, 0.5]
  let alarms = 0
  for (let index = 0; index < 10_000; index += 1) {
    const rate = rates[index % rates.length]!
    if (watched(random, rate, rate, [50, 300, 1500][index % 3]!, 1500) !== null) alarms += 1
  }
  process.stderr.write(`false alarms of 10,000 equal releases: ${alarms}\n`)
  expect(alarms).toBeLessThanOrEqual(10)
}, 120_000)

test.each([
  [1, 20],
  [0.3, 60],
  [0.1, 200],
  [0.03, 2500],
])('a release that fails %d of its answers is found within %d of them', (rate, most) => {
  const random = generator(2)
  const found = Array.from({ length: 200 }, () => watched(random, rate, 0.001, 1000, most))
  expect(found.filter((answers) => answers !== null).length).toBeGreaterThanOrEqual(190)
})
