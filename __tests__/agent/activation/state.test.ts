import { describe, expect, test } from '@jest/globals'
import {
  type AfterFailure,
  hasTouched,
  interruptedIn,
  mayDismiss,
  noticeFor,
  onFailure,
  type State,
  stateOf,
} from '../../../src/agent/activation/state.ts'
import { timesOf } from '../../../src/agent/activation/stay.ts'
import { Failure } from '../../../src/common/failure.ts'
import { type JournalEntry, keptVerdict } from '../../../src/protocol/messages.ts'
import { runtimeWith } from '../releases-on-disk.ts'

const [previous, target] = ['20260101000001', '20260101000002']
const before = { current: previous, previous }
const cause = { code: 'worker-died', message: 'A worker died.', remedy: null, evidence: null }
const verdict = keptVerdict(previous, null)

/** `a swap begin`: an entry of activation `a`. */
function entry(words: string, facts: Partial<JournalEntry> = {}): JournalEntry {
  const [activation = '', step = '', state = ''] = words.split(' ')
  return {
    time: '',
    activation,
    step: (step === '-' ? null : step) as JournalEntry['step'],
    state: state as JournalEntry['state'],
    detail: '',
    verdict: null,
    before: null,
    cause: null,
    probation: null,
    canary: null,
    ...facts,
  }
}

const queued = entry('a lock begin')
const swap = entry('a swap begin', { before })
const rollback = entry('a rollback begin', { before, cause })
const settled = entry('a - verdict', { verdict })

describe('an activation stands by its journal', () => {
  test.each<[string, readonly JournalEntry[], Partial<State> | { at: State['at'] }]>([
    ['before it has begun', [], { at: 'prepared' }],
    ['before the swap', [queued, entry('a pre-activate done')], { at: 'prepared' }],
    ['where a note of the swap is not its begin', [entry('a swap note')], { at: 'prepared' }],
    ['after the swap', [queued, swap], { at: 'swapped', before }],
    [
      'whatever came after that',
      [swap, entry('a swap failed'), entry('a reload failed')],
      { at: 'swapped', before },
    ],
    ['restoring', [swap, rollback], { at: 'restoring', before, cause }],
    ['restoring without a swap, where current had drifted', [rollback], { at: 'restoring', before, cause }],
    ['with its verdict', [swap, rollback, settled], { at: 'settled', verdict, known: true }],
    ['where another one has only waited since', [swap, entry('b lock begin')], { at: 'swapped', before }],
    ['where another one has swapped since', [swap, entry('b swap begin')], { at: 'superseded', before }],
    ['where another one has swapped before', [entry('b swap begin'), swap], { at: 'swapped', before }],
    ['resumed and swapped again', [swap, entry('b lock begin'), swap], { at: 'swapped', before }],
  ])('%s', (_, log, state) => {
    expect(stateOf(log, 'a', false)).toMatchObject(state)
  })

  test('of version 0.1, which wrote neither what it replaced nor why it restored', () => {
    expect(stateOf([entry('a swap begin')], 'a', false)).toEqual({ at: 'swapped', before: null })
    expect(stateOf([entry('a swap begin'), entry('a rollback begin')], 'a', false)).toMatchObject({
      at: 'restoring',
      before: null,
      cause: { code: 'activation-died' },
    })
  })

  test('that somebody has emptied after the swap', () => {
    expect(stateOf([queued], 'a', true)).toEqual({ at: 'swapped', before: null })
    // What the journal says counts more.
    expect(stateOf([swap, rollback], 'a', true)).toMatchObject({ at: 'restoring' })
  })
})

test('an activation is interrupted when it touched something last and has no verdict', () => {
  expect(interruptedIn([])).toBeNull()
  expect(interruptedIn([queued])).toBeNull()
  expect(interruptedIn([swap])).toBe('a')
  expect(interruptedIn([swap, entry('b lock begin')])).toBe('a')
  expect(interruptedIn([swap, settled])).toBeNull()
  expect(interruptedIn([swap, entry('b swap begin'), entry('b - verdict', { verdict })])).toBeNull()
  expect([hasTouched([swap], 'a'), hasTouched([swap], 'b'), hasTouched([queued], 'a')]).toEqual([
    true,
    false,
    false,
  ])
})

describe('a failure', () => {
  const failure = new Failure('worker-died', 'A worker died.')
  const seen: AfterFailure = {
    current: previous,
    serving: previous,
    before,
    touched: false,
    elsewhere: false,
    during: 'reload',
  }
  const kept = { at: 'settled', known: false, verdict: { status: 'kept', live: previous } }
  const restoring = { at: 'restoring', before, cause: { message: 'A worker died (during reload).' } }

  test.each<[string, State, Partial<AfterFailure>, object]>([
    ['while it waits', { at: 'queued' }, {}, kept],
    ['while it waits to be resumed', { at: 'queued' }, { touched: true }, { at: 'unsettled' }],
    ['while another process is at it', { at: 'queued' }, { elsewhere: true }, { at: 'unsettled' }],
    ['before the swap', { at: 'prepared' }, {}, kept],
    ['before it has looked around', { at: 'prepared' }, { before: undefined, current: null }, kept],
    ['before the swap, and current has drifted', { at: 'prepared' }, { current: target }, restoring],
    [
      'of the rename that has happened all the same',
      { at: 'prepared' },
      { current: target, touched: true },
      restoring,
    ],
    ['of the rename that has not', { at: 'prepared' }, { touched: true }, kept],
    ['after the swap', { at: 'swapped', before }, { current: target, touched: true }, restoring],
    ['after the swap, wherever current points', { at: 'swapped', before }, { touched: true }, restoring],
    ['while it restores', { at: 'restoring', before, cause: failure }, {}, { at: 'ended', as: 'down' }],
    ['while it says how it ended', { at: 'ended', as: 'live', cause: null }, {}, { at: 'unsettled' }],
    ['while it touches nothing', { at: 'superseded', before, cause: failure }, {}, { at: 'unsettled' }],
  ])('%s', (_, state, changes, next) => {
    expect(onFailure(state, failure, { ...seen, ...changes })).toMatchObject(next)
  })
})

describe('workers are told', () => {
  const times = timesOf([runtimeWith()])
  const { stay } = times
  const facts = { times, foreign: 0, together: true }
  test.each([
    ['swap', {}, { observe: true, stay, halt: false }],
    // Nobody serves meanwhile: there is no reason to wait.
    ['swap', { foreign: 1 }, { observe: false, stay, halt: false }],
    // Each makes room for the next.
    ['swap', { together: false }, { observe: true, stay: 0, halt: false }],
    ['restore', {}, { observe: false, stay, halt: false }],
    ['make-room', {}, { observe: false, stay: 0, halt: false }],
    ['stop', {}, { observe: false, stay, halt: true }],
    ['alone', {}, null],
  ] as const)('at %s, %j', (moment, changes, notice) => {
    expect(noticeFor(moment, { ...facts, ...changes })).toEqual(notice)
  })

  test('that it is over once there is a verdict, unless they may be all that serves', () => {
    const ended = (status: 'live' | 'kept' | 'restored' | 'down'): State => ({
      at: 'settled',
      known: true,
      verdict: { ...verdict, status },
    })
    expect(
      (['live', 'kept', 'restored', 'down'] as const).map((status) => mayDismiss(ended(status))),
    ).toEqual([true, true, true, false])
    expect(mayDismiss({ at: 'swapped', before })).toBe(false)
  })
})
