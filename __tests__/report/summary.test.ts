import { describe, expect, test } from '@jest/globals'
import type { Row } from '../../src/pipeline.ts'
import { Failure } from '../../src/protocol/failure.ts'
import { renderSummary, type Report, reportOf } from '../../src/report/summary.ts'
import { before, hostOutcome, live, now, outcomeOf, releaseSummary, workerState } from './outcomes.ts'

function report(changes: Partial<Report> = {}): Report {
  return {
    title: 'deploy shop on example.com',
    command: 'deploy',
    outcome: live,
    rows: [],
    durationMs: 61_000,
    ...changes,
  }
}

function row(changes: Partial<Row> = {}): Row {
  return {
    phase: 'upload',
    host: null,
    state: 'ok',
    startedAt: 0,
    durationMs: 1234,
    detail: 'sent 2 files',
    ...changes,
  }
}

const failedWith = (failure: Failure) => report({ outcome: outcomeOf({ status: 'kept', failure }) })

describe('the summary', () => {
  test('begins with what was done and what is live now', () => {
    expect(renderSummary(report())).toBe(
      [
        '## ✅ deploy shop on example.com',
        `${now} is live and verified; before it was ${before}.`,
        'Took 1 min 1 s, sent 93.0 KB.\n',
      ].join('\n\n'),
    )
  })

  test.each([
    [live, '✅'],
    [outcomeOf({ status: 'kept' }), '⚠️'],
    [outcomeOf({ status: 'restored' }), '⚠️'],
    [outcomeOf({ status: 'down' }), '🔴'],
  ])('of %o is marked %s', (outcome, mark) => {
    expect(renderSummary(report({ outcome })).split(' ')[1]).toBe(mark)
  })

  test('has a row for each phase: its time, what it did, why it failed', () => {
    const rows = [
      row(),
      row({ phase: 'verify', state: 'skipped', durationMs: 0, detail: 'candidate-check is off' }),
      row({ phase: 'swap', state: 'failed', durationMs: 12, detail: 'no' }),
    ]
    expect(renderSummary(report({ rows }))).toContain(
      [
        '| Phase |  | Time | What it did |',
        '| --- | --- | --- | --- |',
        '| upload | ✅ | 1.2 s | sent 2 files |',
        '| verify | ⏭️ |  | candidate-check is off |',
        '| swap | ❌ | 12 ms | no |',
      ].join('\n'),
    )
  })

  test('of a failure says what, what to do, and shows the proof', () => {
    const failure = new Failure('candidate-died', 'the new release ended by itself', {
      remedy: 'Look at its last lines.',
      evidence: 'Error: no database\n    at connect',
    })
    const text = renderSummary(failedWith(failure))
    expect(text).toContain(
      '**the new release ended by itself** (`candidate-died`)\n\nLook at its last lines.',
    )
    expect(text).toContain('<pre>Error: no database\n    at connect</pre>')
  })

  test('of a failure without proof shows no empty box', () => {
    expect(renderSummary(failedWith(new Failure('locked', 'busy', { evidence: ' \n' })))).not.toContain(
      '<details',
    )
    expect(renderSummary(failedWith(new Failure('locked', 'busy')))).not.toContain('<details')
  })

  test('of a status lists the releases and the workers', () => {
    const outcome = outcomeOf({
      status: 'live',
      succeeded: true,
      liveRelease: now,
      hosts: [
        hostOutcome({
          releases: [
            releaseSummary({ id: before, activatedAt: '2026-01-01T00:00:00.000Z', bytes: 39_000_000 }),
            releaseSummary({ live: true, activatedAt: '2026-01-02T00:00:00.000Z' }),
            releaseSummary({ id: '20260101000003' }),
          ],
          workers: [
            workerState(),
            workerState({ pmId: '1', pid: 4243, release: null, phase: null, restarts: 7 }),
          ],
        }),
      ],
    })
    const text = renderSummary(report({ command: 'status', outcome }))
    expect(text).toContain(`| ${before} | verified | damaged | 39.0 MB |`)
    expect(text).toContain(`| ${now} | live | damaged | 0 B |`)
    expect(text).toContain('| 20260101000003 | never verified | damaged | 0 B |')
    expect(text).toContain(`| 0 | 4242 | online | ${now} | open | 0 |`)
    expect(text).toContain('| 1 | 4243 | online | unknown | unknown | 7 |')
  })

  test('of several hosts has the truth about each, and names them in every row', () => {
    const hosts = [
      hostOutcome({ name: 'a.example', status: 'restored', live: before, workers: [workerState()] }),
      hostOutcome({ name: 'b.example:2222', status: 'down', live: null }),
    ]
    const rows = [row({ host: 'a.example' }), row({ phase: 'build' })]
    const text = renderSummary(report({ outcome: outcomeOf({ status: 'down', hosts }), rows }))
    expect(text).toContain(
      `| a.example | restored | ${before} |\n| b.example:2222 | down | nothing that is known |`,
    )
    expect(text).toContain('| upload | a.example | ✅ | 1.2 s | sent 2 files |\n| build |  | ✅ |')
    expect(text).toContain('| Worker on a.example | Process |')
  })

  test('can be written of a run that failed before there was a plan', () => {
    const early = reportOf(undefined, outcomeOf({ failure: new Failure('missing-input', 'no host') }), [], 5)
    expect(renderSummary(early)).toContain('## ⚠️ Gapless')
  })
})

describe('everything in it is data:', () => {
  const hostile =
    '# <img src=x onerror=alert(1)> **bold** _it_ [link](javascript:x) `code` |cell| &lt; ~~s~~ \\ 1. end'
  /** What is special to Markdown or HTML anywhere in a line. */
  const special = /[<`*[\]\\~|]|&(?!#\d+;)|\b_|_\b/

  test.each([
    ['a heading', '# head'],
    ['a quote', '> quote'],
    ['a list', '- item'],
    ['a numbered list', '1. item'],
    ['another numbered list', '12) item'],
    ['a heading by underline', '==='],
  ])('a text cannot begin %s, alone in its paragraph', (_, text) => {
    const remedy = renderSummary(failedWith(new Failure('x', 'x', { remedy: text }))).split('\n\n')[3] ?? ''
    expect(remedy).toMatch(/^&#\d+;/)
  })

  test('a text is one paragraph: it cannot end the block that it stands in', () => {
    const text = renderSummary(failedWith(new Failure('x', 'one\n\n# two\r\n- three')))
    expect(text).toContain('**one # two - three** (`x`)')
  })

  test('the title, the message and the remedy', () => {
    const failure = new Failure(hostile, hostile, { remedy: hostile })
    const [title = '', , message = '', remedy = ''] = renderSummary({
      ...failedWith(failure),
      title: hostile,
    }).split('\n\n')
    const code = message.slice(message.indexOf('** (`') + 5, -2)
    for (const text of [title.slice(3), message.slice(2, message.indexOf('** (`')), code, remedy]) {
      expect(text).not.toMatch(special)
      expect(text).toContain('img src=x onerror=alert(1)')
    }
  })

  test('the evidence, which is shown as it was written', () => {
    const evidence = `</pre></details><script>\n\n  **indented** &amp; [x](y)\n`
    const text = renderSummary(failedWith(new Failure('x', 'x', { evidence })))
    expect(text.match(/<[^>]+>/g)).toEqual([
      '<details open>',
      '<summary>',
      '</summary>',
      '<pre>',
      '</pre>',
      '</details>',
    ])
    expect(text).toContain('script&#62;\n\n  **indented** &#38;amp; [x](y)\n</pre>')
  })

  test('the details of the phases, the releases and the workers, which stay one cell each', () => {
    const info = {
      id: now,
      commit: '|<b>|_',
      ref: '',
      actor: '',
      runUrl: '',
      workflow: '',
      runNumber: 0,
      runAttempt: 1,
      created: '',
      entry: '',
      staticPath: null,
      nextVersion: '',
      contentHash: '',
      distDir: null,
    }
    const outcome = outcomeOf({
      hosts: [
        hostOutcome({
          releases: [releaseSummary({ info })],
          workers: [workerState({ status: hostile, phase: 'two\nlines' })],
        }),
      ],
    })
    const text = renderSummary(report({ outcome, rows: [row({ detail: `${hostile}\n| next | row |\r\n` })] }))
    const tables = text.split('\n').filter((line) => line.startsWith('|'))
    expect(tables.map((line) => line.split(' | ').length)).toEqual([4, 4, 4, 4, 4, 4, 6, 6, 6])
    for (const cell of tables.flatMap((line) => line.slice(2, -2).split(' | ')))
      expect(cell).not.toMatch(special)
  })

  test('plain text is left readable', () => {
    expect(renderSummary(report({ rows: [row({ detail: 'app_name 1.5 (ok): 3 > 2, a-b' })] }))).toContain(
      '| upload | ✅ | 1.2 s | app_name 1.5 (ok): 3 > 2, a-b |',
    )
  })
})

describe('it is never so long that GitHub drops it:', () => {
  const limit = 1024 * 1024
  // Each character becomes five bytes or more.
  const endless = '<'.repeat(3_000_000)

  test('the evidence is cut to its end', () => {
    const text = renderSummary(
      failedWith(new Failure('x', 'x', { evidence: `begin${endless}the last line` })),
    )
    expect(Buffer.byteLength(text)).toBeLessThan(limit)
    expect(text).toContain('the last line</pre>')
    expect(text).not.toContain('begin')
  })

  test('so is everything else, to its beginning', () => {
    const failure = new Failure('x', `message ${endless}`, { remedy: `remedy ${endless}`, evidence: endless })
    const rows = Array.from({ length: 12 }, () => row({ detail: `detail ${endless}` }))
    const text = renderSummary({ ...report({ rows }), outcome: outcomeOf({ failure }) })
    expect(Buffer.byteLength(text)).toBeLessThan(limit)
    for (const word of ['message', 'remedy', 'detail']) expect(text).toContain(`${word} &#60;`)
    expect(text).toContain('…')
  })
})
