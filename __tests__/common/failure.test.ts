import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import { parse } from '../../src/protocol/guards.ts'
import { failureRecord } from '../../src/protocol/messages.ts'

describe('a failure', () => {
  test('comes out of the wire as it went in', () => {
    const sent = new Failure('disk-full', 'the server’s disk is full', {
      remedy: 'Free some space.',
      evidence: 'ENOSPC: "quoted"\n\tand a second line',
    })
    const received = Failure.revive(JSON.parse(JSON.stringify(sent.toRecord())))

    expect(received).toBeInstanceOf(Failure)
    expect(received.toRecord()).toEqual(sent.toRecord())
    expect(received).toMatchObject({
      code: 'disk-full',
      message: 'the server’s disk is full',
      remedy: 'Free some space.',
      evidence: 'ENOSPC: "quoted"\n\tand a second line',
    })
  })

  test('has null on the wire for what it does not have', () => {
    const text = JSON.stringify(new Failure('locked', 'busy').toRecord())
    const record = parse(failureRecord, text, 'error')
    expect(record).toEqual({ code: 'locked', message: 'busy', remedy: null, evidence: null })
    expect(Failure.revive(record)).toMatchObject({ remedy: undefined, evidence: undefined })
  })

  test('keeps its cause on this side and does not send it', () => {
    const cause = new Error('the key was hunter2')
    const failure = new Failure('login-refused', 'no', { cause })
    expect(failure.cause).toBe(cause)
    expect(JSON.stringify(failure.toRecord())).not.toContain('hunter2')
  })
})

describe('Failure.from', () => {
  test('gives a failure back as it is', () => {
    const failure = new Failure('locked', 'busy')
    expect(Failure.from(failure, 'agent-failed')).toBe(failure)
  })

  test('makes an internal one of any other error, with its stack as evidence', () => {
    const error = new TypeError('x is not a function')
    const failure = Failure.from(error)
    expect(failure).toMatchObject({
      code: 'internal',
      message: 'An unexpected error occurred: x is not a function.',
      cause: error,
    })
    expect(failure.evidence).toContain('failure.test.ts')
  })

  test('takes anything that can be thrown', () => {
    expect(Failure.from('a string', 'agent-failed')).toMatchObject({
      code: 'agent-failed',
      message: 'A system call on the server failed: a string.',
      evidence: undefined,
    })
    expect(Failure.from(undefined).message).toBe('An unexpected error occurred: undefined.')
  })
})
