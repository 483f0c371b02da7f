import { describe, expect, test } from '@jest/globals'
import type { Row } from '../../src/pipeline.ts'
import fc from 'fast-check'
import { Failure } from '../../src/common/failure.ts'
import { originOf } from '../../src/report/origin.ts'
import { renderSummary, type Report, reportOf } from '../../src/report/summary.ts'
import { timeline } from '../../src/report/timeline.ts'
import {
  before,
  hostOutcome,
  live,
  now,
  outcomeOf,
  releaseInfo,
  releaseSummary,
  workerState,
} from './outcomes.ts'

function report(changes: Partial<Report> = {}): Report {
  return {
    title: 'deploy shop on example.com',
    command: 'deploy',
    origin: null,
    url: null,
    unrecorded: '',
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
        `**${now} is live and verified. It replaced ${before}.**`,
        [
          `- **Release:** \`${before}\` → \`${now}\``,
          '- **Sent:** 76 of 1470 files, 0.8% of 39.1 MB (93.0 KB compressed)',
          '- **Took:** 1 min 1 s',
          `- **To roll back:** run with \`command: rollback\` and \`release: ${before}\`\n`,
        ].join('\n'),
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
    const failure = new Failure('candidate-died', 'The new release exited with code 1', {
      remedy: 'Read its last log lines.',
      evidence: 'Error: no database\n    at connect',
    })
    const text = renderSummary(failedWith(failure))
    expect(text).toContain(
      '**What failed:** The new release exited with code 1 (`candidate-died`).\n\n**What to do:** Read its last log lines.',
    )
    expect(text).toContain('<pre>Error: no database\n    at connect</pre>')
  })

  test('of a failure without proof shows no empty box', () => {
    expect(renderSummary(failedWith(new Failure('locked', 'busy', { evidence: ' \n' })))).not.toContain(
      '<details',
    )
    expect(renderSummary(failedWith(new Failure('locked', 'busy')))).not.toContain('<details')
  })

  test('says why workers do not share their caches, once for all of them', () => {
    const alone = workerState({ cache: { shared: false, why: 'the app sets `cacheHandler`' } })
    const hosts = [hostOutcome({ workers: [alone, alone] }), hostOutcome({ workers: [alone] })]
    const text = renderSummary(report({ outcome: { ...live, hosts } }))
    expect(text.match(/^- \*\*Caches:\*\*.*$/m)?.[0]).toContain(
      'each worker keeps its cache to itself: the app sets `cacheHandler`',
    )
    expect(text.match(/keeps its cache to itself/g)).toHaveLength(1)
    const shared = [
      hostOutcome({ workers: [workerState({ cache: { shared: true, why: '' } }), workerState()] }),
    ]
    expect(renderSummary(report({ outcome: { ...live, hosts: shared } }))).not.toContain('Caches')
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
            workerState({ cache: { shared: true, why: '' } }),
            workerState({
              pmId: '1',
              pid: 4243,
              release: null,
              phase: null,
              restarts: 7,
              cache: { shared: false, why: 'x' },
            }),
          ],
        }),
      ],
    })
    const text = renderSummary(report({ command: 'status', outcome }))
    expect(text).toContain(`| ${before} | previous | damaged | 39.0 MB |`)
    expect(text).toContain(`| ${now} | live | damaged | 0 B |`)
    expect(text).toContain('| 20260101000003 | never verified | damaged | 0 B |')
    expect(text).toContain(`| 4242 | online | ${now} | serving | shared | 0 |`)
    expect(text).toContain('| 4243 | online | – | – | its own | 7 |')
  })

  test('of a status tells the age of the releases, the disk, the lock and the last entries of the journal', () => {
    const entry = {
      time: '2026-01-01T00:00:02.000Z',
      activation: 'a',
      step: 'swap' as const,
      state: 'done' as const,
      detail: `current: <b>\n${before}`,
      verdict: null,
      before: null,
      cause: null,
      probation: null,
      canary: null,
    }
    const server = {
      now: '2026-01-03T00:00:02.000Z',
      freeBytes: 12_300_000_000,
      lock: 'ann *since* noon',
      interrupted: 'x',
      journal: [entry],
    }
    const hosts = [hostOutcome({ releases: [releaseSummary({ live: true })], server })]
    const outcome = outcomeOf({ status: 'live', succeeded: true, liveRelease: now, hosts })
    const text = renderSummary(report({ command: 'status', outcome }))
    expect(text).toContain(`| ${now} | live, 2 days ago | damaged | 0 B |`)
    expect(text).toContain(
      '- **Disk:** 12.3 GB free\n- **Lock:** held by ann &#42;since&#42; noon\n- **Interr',
    )
    expect(text).toContain(`<pre>2026-01-01T00:00:02.000Z swap done current: &#60;b&#62; ${before}</pre>`)
  })

  test('of several hosts has the truth about each, and names them in every row', () => {
    const hosts = [
      hostOutcome({ name: 'a.example', status: 'restored', live: before, workers: [workerState()] }),
      hostOutcome({ name: 'b.example:2222', status: 'down', live: null }),
    ]
    const rows = [row({ host: 'a.example' }), row({ phase: 'build' })]
    const text = renderSummary(report({ outcome: outcomeOf({ status: 'down', hosts }), rows }))
    expect(text).toContain(`| a.example | restored | ${before} |\n| b.example:2222 | down | unknown |`)
    expect(text).toContain('| upload | a.example | ✅ | 1.2 s | sent 2 files |\n| build |  | ✅ |')
    expect(text).toContain('<summary>1 worker on a.example</summary>')
  })

  describe('shows what was seen', () => {
    const died = (host: string) => new Failure('x', `${host}: it died`, { evidence: `the log of ${host}` })
    const sectionsOf = (text: string) =>
      [...text.matchAll(/<summary>(Evidence.*)<\/summary>\n\n<pre>(.*)<\/pre>/g)].map(([, title, log]) => [
        title,
        log,
      ])

    test('on every host that failed, and once', () => {
      const hosts = ['a', 'b'].map((name) => hostOutcome({ name, failure: died(name) }))
      const rows = ['a', 'b', 'c'].map((host) =>
        row({ phase: 'verify', state: 'failed', host, detail: 'it died', evidence: `the log of ${host}` }),
      )
      const text = renderSummary(report({ outcome: outcomeOf({ failure: died('a'), hosts }), rows }))
      expect(sectionsOf(text)).toEqual([
        ['Evidence', 'the log of a'],
        ['Evidence: b: it died', 'the log of b'],
        ['Evidence: c: it died', 'the log of c'],
      ])
    })

    test('where a phase failed that was no reason to end the run', () => {
      const rows = [row({ phase: 'recover', state: 'failed', detail: 'no worker', evidence: 'its log' })]
      expect(sectionsOf(renderSummary(report({ rows })))).toEqual([['Evidence: no worker', 'its log']])
    })

    test('as far as there is room, and nothing else is left out for it', () => {
      const rows = Array.from({ length: 100 }, (_, index) =>
        row({
          state: 'failed',
          host: `host-${index}`,
          detail: 'no',
          evidence: `${index}${'<'.repeat(30_000)}`,
        }),
      )
      const text = renderSummary(report({ rows }))
      expect(Buffer.byteLength(text)).toBeLessThan(1024 * 1024)
      expect(text).toContain('| upload | host-99 |')
      expect(text).toContain('<summary>Evidence: host-0: no</summary>')
    })
  })

  test('of several hosts counts where they were checked, beside what the runner asked itself', () => {
    const check = (host: string | null, detail: string) => row({ phase: 'health-check', host, detail })
    const rows = [check('a', '1 serves'), check('b', '1 serves'), check(null, 'https://x answered HTTP 200')]
    expect(renderSummary(report({ rows }))).toContain(
      '- **Checked:** health-check on 2 hosts; https://x answered HTTP 200\n',
    )
  })

  test('can be written of a run that failed before there was a plan', () => {
    const early = reportOf(
      undefined,
      outcomeOf({ failure: new Failure('missing-input', 'no host') }),
      [],
      5,
      {},
    )
    expect(renderSummary(early)).toContain('## ⚠️ Gapless')
  })
})

describe('everything in it is data:', () => {
  const hostile =
    '# <img src=x onerror=alert(1)> **bold** _it_ [link](javascript:x) `code` |cell| &lt; ~~s~~ \\ 1. end'
  /** What is special to Markdown or HTML anywhere in a line. */
  const special = /[<`*[\]\\~|]|&(?!#\d+;)|\b_|_\b/
  /** Code is the one thing that a message may hold, whoever wrote it: nothing in it is read. */
  const withoutCode = (text: string) => text.replaceAll('`code`', 'code')

  test.each([
    ['a heading', '# head'],
    ['a quote', '> quote'],
    ['a list', '- item'],
    ['a numbered list', '1. item'],
    ['another numbered list', '12) item'],
    ['a heading by underline', '==='],
  ])('a text cannot begin %s, alone in its paragraph', (_, text) => {
    const remedy = renderSummary(failedWith(new Failure('x', 'x', { remedy: text }))).split('\n\n')[3] ?? ''
    expect(remedy).toMatch(/^\*\*What to do:\*\* &#\d+;/)
  })

  test('a text is one paragraph: it cannot end the block that it stands in', () => {
    const text = renderSummary(failedWith(new Failure('x', 'one\n\n# two\r\n- three')))
    expect(text).toContain('\n\n**What failed:** one # two - three (`x`).\n\n')
  })

  test('the title, the message and the remedy', () => {
    const failure = new Failure(hostile, hostile, { remedy: hostile })
    const [title = '', , message = '', remedy = ''] = renderSummary({
      ...failedWith(failure),
      title: hostile,
    }).split('\n\n')
    const code = message.slice(message.indexOf(' (`') + 3, -3)
    for (const text of [
      title.slice(3),
      message.slice('**What failed:** '.length, message.indexOf(' (`')),
      code,
      remedy.slice('**What to do:** '.length),
    ]) {
      expect(withoutCode(text)).not.toMatch(special)
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
    const info = releaseInfo({ commit: '|<b>|_' })
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
    expect(tables.map((line) => line.split(' | ').length)).toEqual([4, 4, 4, 6, 6, 6, 4, 4, 4])
    for (const cell of tables.flatMap((line) => line.slice(2, -2).split(' | ')))
      expect(withoutCode(cell)).not.toMatch(special)
  })

  test('plain text is left readable', () => {
    expect(renderSummary(report({ rows: [row({ detail: 'app_name 1.5 (ok): 3 > 2, a-b' })] }))).toContain(
      '| upload | ✅ | 1.2 s | app_name 1.5 (ok): 3 > 2, a-b |',
    )
  })
})

describe('it links to', () => {
  const origin = originOf(
    {
      commit: '0123456789abcdef0123456789abcdef01234567',
      ref: '',
      actor: 'ann',
      event: '',
      runUrl: 'https://evil.example',
      workflow: '',
      runNumber: 12,
      runAttempt: 1,
    },
    {
      GITHUB_SERVER_URL: 'https://github.example',
      GITHUB_REPOSITORY: 'acme/site',
      GITHUB_RUN_ID: '42',
      GITHUB_ACTION_REPOSITORY: 'acme/gapless',
      GITHUB_ACTION_REF: 'v1',
    },
  )

  test('the commit and the run', () => {
    const text = renderSummary(report({ origin }))
    expect(text).toContain(`[\`0123456\`](https://github.example/acme/site/commit/${origin.commit})`)
    expect(text).toContain('[#12](https://github.example/acme/site/actions/runs/42) by ann')
    expect(text).not.toContain('evil')
  })

  const infos = [
    releaseInfo({ id: before, commit: 'c0ffee1aa', actor: 'bob' }),
    releaseInfo({ id: now, commit: '4f7c2a9bb', actor: 'eve' }),
  ]
  const commit = (id: string, by: string) =>
    `([\`${id.slice(0, 7)}\`](https://github.example/acme/site/commit/${id}) by ${by})`
  const wasBefore = `\`${before}\` ${commit('c0ffee1aa', 'bob')}`

  test('the commits of the old release and the new one', () => {
    const text = renderSummary(report({ origin, outcome: { ...live, infos } }))
    expect(text).toContain(`- **Release:** ${wasBefore} → \`${now}\` ${commit(origin.commit, 'ann')}\n`)
    expect(text).not.toContain('**Commit:**')
  })

  test('the commits of a rollback: of where it went, whoever asked for it', () => {
    const moved = { release: before, liveRelease: before, previousRelease: now, rollsBackTo: null }
    const outcome = { ...live, infos, ...moved }
    const text = renderSummary(report({ origin, outcome, command: 'rollback' }))
    expect(text).toContain(`- **Release:** \`${now}\` ${commit('4f7c2a9bb', 'eve')} → ${wasBefore}\n`)
    // Nobody is sent to the release that the rollback left.
    expect(text).not.toContain('To roll back')
  })

  test.each(['restored', 'kept'] as const)('the commit of what is live where it was %s', (status) => {
    const outcome = outcomeOf({ status, infos, release: now, previousRelease: before, liveRelease: before })
    const text = renderSummary(report({ origin, outcome }))
    expect(text).toContain(`- **Release:** \`${now}\` ${commit(origin.commit, 'ann')}\n`)
    expect(text).toContain(`- **Live:** ${wasBefore}\n`)
  })

  test('the commit that was to be deployed where there is no release of it', () => {
    const outcome = outcomeOf({ status: 'kept', infos, release: null, liveRelease: before })
    const text = renderSummary(report({ origin, outcome }))
    expect(text).toContain(`- **Commit:** ${commit(origin.commit, 'ann').slice(1, -1)}\n`)
    expect(text).toContain(`- **Live:** ${wasBefore}\n`)
  })

  test('what is known of an error', () => {
    const text = renderSummary({ ...failedWith(new Failure('port-taken', 'no')), origin })
    expect(text).toContain(
      '([`port-taken`](https://github.example/acme/gapless/blob/v1/docs/errors.md#port-taken))',
    )
  })

  test.each([
    ['a server', { GITHUB_SERVER_URL: 'https://x/(y)' }],
    ['a repository', { GITHUB_REPOSITORY: 'a/b](x)' }],
    ['nothing', { GITHUB_REPOSITORY: undefined }],
  ])('nothing where the runner names %s that is none', (_, env) => {
    const found = originOf(
      {
        commit: 'abcdef1',
        ref: '',
        actor: '',
        event: '',
        runUrl: '',
        workflow: '',
        runNumber: 0,
        runAttempt: 1,
      },
      { GITHUB_SERVER_URL: 'https://github.example', GITHUB_REPOSITORY: 'a/b', GITHUB_RUN_ID: '1', ...env },
    )
    const text = renderSummary(report({ origin: found }))
    expect(text).not.toContain('](')
    expect(text).toContain(`\`${now}\` (\`abcdef1\`)`)
  })
})

describe('its timeline', () => {
  test('has a bar for each phase that ran, and a section for each host', () => {
    const rows = [
      row({ phase: 'build', startedAt: 1000, durationMs: 61_000 }),
      row({ phase: 'upload', host: 'a.example:2222', startedAt: 62_000, durationMs: 500 }),
      row({ phase: 'verify', state: 'skipped' }),
      row({ phase: 'swap', host: 'a.example:2222', state: 'failed', startedAt: 62_500, durationMs: 0 }),
    ]
    expect(timeline(rows)).toBe(
      [
        '```mermaid',
        'gantt',
        '  dateFormat YYYY-MM-DD HH:mm:ss.SSS',
        '  axisFormat %M:%S',
        '  tickInterval 30second',
        '  section runner',
        '    build 1 min 1 s :2000-01-01 00:00:00.000, 2000-01-01 00:01:01.000',
        '  section a.example 2222',
        '    upload 500 ms :2000-01-01 00:01:01.000, 2000-01-01 00:01:01.500',
        '    swap 0 ms :crit, 2000-01-01 00:01:01.500, 2000-01-01 00:01:01.501',
        '```',
      ].join('\n'),
    )
  })

  test('is left out where it would be no picture', () => {
    expect(timeline([row()])).toBe('')
    expect(timeline(Array.from({ length: 100 }, () => row()))).toBe('')
  })

  test('cannot be ended, or told anything, by the name of a host', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (host) => {
        const lines = timeline([row({ host }), row({ host })]).split('\n')
        expect(lines).toHaveLength(9)
        expect(lines[5]).toMatch(/^ {2}section [A-Za-z0-9. -]+$/)
      }),
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

  test('what stands in it already takes from its room', () => {
    const rows = Array.from({ length: 12 }, () => row({ detail: `detail ${endless}` }))
    const taken = 850_000
    const text = renderSummary(report({ rows }), taken)
    expect(taken + Buffer.byteLength(text)).toBeLessThan(limit)
    expect(text).toContain(`${now} is live and verified`)
    expect(text).not.toContain('detail')
  })

  test('whatever is in it, and however much', () => {
    const text = fc.tuple(fc.constantFrom('<', '漢', '😀', 'x|'), fc.integer({ min: 0, max: 30_000 }))
    const many = fc.integer({ min: 0, max: 300 })
    fc.assert(
      fc.property(text, many, many, many, ([unit, length], hosts, phases, workers) => {
        const long = unit.repeat(length)
        const outcome = outcomeOf({
          failure: new Failure('x', long, { remedy: long, evidence: long }),
          hosts: Array.from({ length: hosts }, () =>
            hostOutcome({
              name: long.slice(0, 300),
              workers: Array.from({ length: workers % 20 }, () =>
                workerState({ status: long.slice(0, 300) }),
              ),
            }),
          ),
        })
        const rows = Array.from({ length: phases }, () => row({ detail: long, host: long }))
        const summary = renderSummary({ ...report({ rows }), title: long, outcome })
        expect(Buffer.byteLength(summary)).toBeLessThan(limit)
        expect(summary).toContain('stopped before anything went live')
      }),
      { numRuns: 10 },
    )
  })
})
