import { describe, expect, test } from '@jest/globals'
import { failures } from '../../src/common/errors/raise.ts'

const failure = failures({
  'plain-error': { message: 'It failed.', remedy: 'Try again.' },
  'full-error': { message: '"{path}" failed: {reason}.', remedy: 'Remove "{path}", or set `{input}`.' },
  'full-error: other': { message: 'The other way failed.', remedy: 'Set `{input}`.' },
})

describe('a failure of the registry', () => {
  test('has its words', () => {
    expect(failure('plain-error')).toMatchObject({
      code: 'plain-error',
      message: 'It failed.',
      remedy: 'Try again.',
      evidence: undefined,
    })
  })

  test('has its values, quoted ones escaped', () => {
    const found = failure('full-error', { path: 'a "b"\n$&', reason: 'no $1 room', input: 'path' })
    expect(found.message).toBe('"a \\"b\\"\\n$&" failed: no $1 room.')
    expect(found.remedy).toBe('Remove "a \\"b\\"\\n$&", or set `path`.')
  })

  test('has backticks of its own alone', () => {
    const { message, remedy } = failure('full-error', { path: '`x`', reason: 'why', input: 'path' })
    expect(message).toBe('"\\u0060x\\u0060" failed: why.')
    expect(remedy).toBe('Remove "\\u0060x\\u0060", or set `path`.')
  })

  test('ends once, where a value is a sentence', () => {
    const values = { path: 'x', input: 'path' }
    expect(failure('full-error', { ...values, reason: 'It was full.' }).message).toBe(
      '"x" failed: It was full.',
    )
    expect(failure('full-error', { ...values, reason: 'Was it full?' }).message).toBe(
      '"x" failed: Was it full?',
    )
  })

  test('of a variant has the code alone', () => {
    expect(failure('full-error: other', { input: 'path' })).toMatchObject({
      code: 'full-error',
      remedy: 'Set `path`.',
    })
  })

  test('has its evidence and its cause', () => {
    const cause = new Error('why')
    expect(failure('plain-error', {}, { evidence: 'seen', cause })).toMatchObject({ evidence: 'seen', cause })
  })

  test('needs the values of its text, and no others: tsc says so', () => {
    // @ts-expect-error a value is missing
    expect(failure('full-error', { path: 'x', input: 'y' }).message).toContain('undefined')
    // @ts-expect-error all values are missing
    expect(() => failure('full-error: other')).not.toThrow()
    // @ts-expect-error there is no such value
    expect(failure('plain-error', { path: 'x' }).code).toBe('plain-error')
    // @ts-expect-error there is no such code
    expect(() => failure('no-error')).toThrow(TypeError)
  })
})
