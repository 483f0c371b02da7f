import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import { redactAll } from '../../src/report/redact.ts'
import { redactor } from '../../src/report/redactor.ts'

describe('secrets', () => {
  test('are replaced wherever they stand, the longer before what is a part of it', () => {
    const redact = redactor(['horse', 'correct horse'])
    expect(redact('a correct horse and a horse')).toBe('a *** and a ***')
  })

  test('are replaced as JSON, a URL and base64 have them', () => {
    const secret = 'p"ss w/rd\nline two'
    const redact = redactor([secret])
    for (const met of [
      JSON.stringify(secret),
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
    ]) {
      expect(redact(`<${met}>`)).toMatch(/^<"?\*\*\*"?=*>$/)
    }
  })

  test('are replaced as Node prints them, as forms and HTML have them, and within base64', () => {
    const secret = `a\\b"c & 'd' <e>\nf`
    const redact = redactor([secret])
    const html = secret.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`)
    expect(redact(html)).toBe(html)
    for (const met of [
      inspect({ secret }, { breakLength: Infinity }),
      new URLSearchParams({ secret }).toString(),
      encodeURI(secret),
      escapeHtml(secret),
      escapeHtml(secret).replaceAll('&#x27;', "'"),
      `Basic ${Buffer.from(`user:${secret}`).toString('base64')}`,
      Buffer.from(`{"a":"${secret}"}`).toString('base64'),
      Buffer.from(`{"ab":"${secret}"}`).toString('base64url'),
    ]) {
      expect(redact(met)).toMatch(/^[^*]*\*\*\*[^*]*$/)
      expect(redact(met).length).toBeLessThan(30)
    }

    function escapeHtml(text: string): string {
      const entities: Record<string, string> = { '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": '#x27' }
      return text.replace(/[&<>"']/g, (each) => `&${entities[each]};`)
    }
  })

  test('cost little, even long ones in a long log', () => {
    const lines = Array.from({ length: 50 }, (_, index) => `${index}`.repeat(35).slice(0, 70))
    const redact = redactor([lines.join('\n'), ...lines])
    const begun = performance.now()
    for (let line = 0; line < 2000; line += 1) redact(`line ${line} of what a build prints, as long as most`)
    expect(performance.now() - begun).toBeLessThan(2000)
  })

  test('are text, not patterns', () => {
    const redact = redactor(['a.c*(', '$&'])
    expect(redact('abc a.c*( $&')).toBe('abc *** ***')
  })

  test('that were cut off at an end of the text do not show their rest', () => {
    const redact = redactor(['the-token-of-the-app'])
    expect(redact('oken-of-the-app\nlog')).toBe('***\nlog')
    expect(redact('log the-token-of')).toBe('log ***')
    expect(redact('the app')).toBe('the app')
  })

  test('change nothing where there are none', () => {
    expect(redactor([])('a text')).toBe('a text')
    expect(redactor([''])('a text')).toBe('a text')
  })

  test('leave the words of a run as they are where they stand alone', () => {
    const redact = redactor(['live', '20260101'], ['live', 'shop'])
    expect(['live', 'shop', '20260101000001'].map(redact)).toEqual(['live', 'shop', '20260101000001'])
    expect(redact('is live since 20260101')).toBe('is *** since ***')
  })
})

describe('data without secrets', () => {
  test('has every string redacted, in lists, in objects and in failures', () => {
    const failure = new Failure('x', 'of s3cret-value', {
      remedy: 'do s3cret-value',
      evidence: 's3cret-value',
    })
    const data = { a: [{ b: 's3cret-value' }], failure, size: 1, none: null, absent: undefined, yes: true }
    const shown = redactAll(data, redactor(['s3cret-value']))
    expect(shown).toMatchObject({ a: [{ b: '***' }], size: 1, none: null, yes: true })
    expect(shown.failure).toBeInstanceOf(Failure)
    expect(shown.failure.toRecord()).toEqual({
      code: 'x',
      message: 'of ***',
      remedy: 'do ***',
      evidence: '***',
    })
  })

  test('is a copy: what the run goes on with is left as it was', () => {
    const data = { texts: ['s3cret-value'] }
    redactAll(data, redactor(['s3cret-value']))
    expect(data.texts).toEqual(['s3cret-value'])
  })
})
