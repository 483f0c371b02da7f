import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import { redactLog, redactReport } from '../../src/report/redact.ts'
import { redactor } from '../../src/report/redactor.ts'
import { hostOutcome, live, outcomeOf } from './outcomes.ts'
import { silentLog } from '../support/log.ts'

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

  test('are in no text of a report, whose release ids stay', () => {
    const failure = new Failure('build-failed', 'it said s3cret-value', {
      remedy: 'do s3cret-value',
      evidence: 's3cret-value',
    })
    const entry = {
      time: '',
      activation: '',
      step: null,
      state: 'note' as const,
      detail: 's3cret-value',
      verdict: null,
      before: null,
      cause: null,
    }
    const report = redactReport(
      {
        title: 'deploy s3cret-value',
        command: 'deploy',
        origin: null,
        durationMs: 1,
        rows: [
          {
            phase: 'build',
            host: null,
            state: 'failed',
            startedAt: 0,
            durationMs: 1,
            detail: 's3cret-value',
            evidence: 'row s3cret-value',
          },
        ],
        outcome: outcomeOf({
          ...live,
          failure,
          hosts: [
            hostOutcome({
              failure: new Failure('x', 'y s3cret-value', { evidence: 'host s3cret-value' }),
              server: { now: '', freeBytes: 0, lock: 'by s3cret-value', interrupted: null, journal: [entry] },
            }),
          ],
        }),
      },
      redactor(['s3cret-value']),
    )
    const failures = [report.outcome.failure, report.outcome.hosts[0]?.failure].map((one) => one?.toRecord())
    expect(JSON.stringify([report, failures])).not.toContain('s3cret')
    expect(report.rows[0]?.evidence).toBe('row ***')
    expect(failures[1]?.evidence).toBe('host ***')
    expect(report.outcome.failure).toMatchObject({
      code: 'build-failed',
      message: 'it said ***',
      remedy: 'do ***',
    })
    expect(report.outcome.liveRelease).toBe(live.liveRelease)
  })

  test('are in no line of a log', () => {
    const lines: string[] = []
    const log = {
      ...silentLog,
      info: (line: string) => lines.push(line),
      warning: (line: string) => lines.push(line),
      annotate: (message: string) => lines.push(message),
      debug: (line: () => string) => lines.push(line()),
      group: (line: string) => lines.push(line),
    }
    const redacted = redactLog(log, redactor(['s3cret-value']), (secret) => lines.push(`mask ${secret}`))
    redacted.info('is s3cret-value')
    redacted.group('s3cret-value')
    redacted.warning('of s3cret-value')
    redacted.annotate('in s3cret-value', { file: 'a.ts', line: 1, column: 1 })
    redacted.debug(() => '→ s3cret-value')
    redacted.mask('another')
    expect(lines).toEqual(['is ***', '***', 'of ***', 'in ***', '→ ***', 'mask another'])
  })
})
