import { describe, expect, test } from '@jest/globals'
import {
  boolean,
  count,
  dictionary,
  type Guard,
  list,
  matching,
  nullable,
  number,
  object,
  oneOf,
  parse,
  string,
} from '../../src/protocol/guards.ts'

describe('a guard lets through', () => {
  const accepted: readonly [string, Guard<unknown>, unknown][] = [
    ['a string', string, ''],
    ['a boolean', boolean, false],
    ['a number', number, -1.5],
    ['a whole number', count, 0],
    ['the largest whole number', count, Number.MAX_SAFE_INTEGER],
    ['text like a pattern', matching(/^\d{14}$/), '20261120155203'],
    ['one of a few words', oneOf('live', 'kept'), 'kept'],
    ['null where it may be', nullable(string), null],
    ['a list', list(count), [1, 2]],
    ['an empty list', list(count), []],
    ['a dictionary', dictionary(string), { A: '1', B: '' }],
  ]
  test.each(accepted)('%s', (_, guard, value) => {
    expect(guard(value, 'it')).toEqual(value)
  })
})

describe('a guard refuses', () => {
  const refused: readonly [string, Guard<unknown>, unknown, string][] = [
    ['a number as a string', string, 1, 'it is not a string'],
    ['a missing value', string, undefined, 'it is not a string'],
    ['1 as a boolean', boolean, 1, 'it is not a boolean'],
    ['NaN', number, Number.NaN, 'it is not a number'],
    ['infinity', number, Number.POSITIVE_INFINITY, 'it is not a number'],
    ['a negative count', count, -1, 'it is not a whole number'],
    ['a fraction as a count', count, 0.5, 'it is not a whole number'],
    ['a count that lost its last digits', count, 2 ** 53, 'it is not a whole number'],
    ['text unlike the pattern', matching(/^\d{14}$/), '../etc', 'it is not like ^\\d{14}$'],
    ['another word', oneOf('live', 'kept'), 'dead', 'it is not one of live, kept'],
    ['null where it may not be', string, null, 'it is not a string'],
    ['a wrong value where null may be', nullable(string), 1, 'it is not a string'],
    ['an object as a list', list(count), { 0: 1 }, 'it is not a list'],
    ['a wrong item of a list, by its place', list(count), [1, 'b'], 'it[1] is not a whole number'],
    ['a wrong item of a dictionary, by its key', dictionary(string), { A: 1 }, 'it.A is not a string'],
    ['a list as an object', object({}), [], 'it is not an object'],
    ['null as an object', object({}), null, 'it is not an object'],
  ]
  test.each(refused)('%s', (_, guard, value, message) => {
    expect(() => guard(value, 'it')).toThrow(
      expect.objectContaining({
        code: 'malformed-message',
        message: `A message or a file on the server is malformed: ${message}.`,
      }),
    )
  })
})

describe('an object', () => {
  const point = object({ x: count, inner: nullable(object({ name: string })) })

  test('has exactly the named members: others are dropped', () => {
    expect(point({ x: 1, inner: null, extra: 'dropped' }, 'point')).toEqual({ x: 1, inner: null })
  })

  test('has null for a member that may be missing and is', () => {
    expect(point({ x: 1 }, 'point')).toEqual({ x: 1, inner: null })
  })

  test('names the place of what is wrong, however deep', () => {
    expect(() => point({ x: 1, inner: { name: 7 } }, 'point')).toThrow('point.inner.name is not a string')
  })

  test('takes no member from the prototype', () => {
    expect(() => object({ toString: string })({}, 'it')).toThrow('it.toString is not a string')
    const hostile: unknown = JSON.parse('{"__proto__": "polluted"}')
    expect(Object.keys(dictionary(string)(hostile, 'it'))).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('parse', () => {
  test('guards what the text says', () => {
    expect(parse(list(count), '[1,2]', 'reply')).toEqual([1, 2])
    expect(() => parse(list(count), '[true]', 'reply')).toThrow('reply[0] is not a whole number')
  })

  test('says what is not JSON', () => {
    expect(() => parse(string, '{"cut', 'journal')).toThrow(
      expect.objectContaining({
        code: 'malformed-message',
        message: 'A message or a file on the server is malformed: journal is not JSON.',
      }),
    )
  })
})
