import { describe, expect, test } from '@jest/globals'
import type { DryRun } from '../../src/outcome.ts'
import type { Finding } from '../../src/protocol/messages.ts'
import { renderDryRun } from '../../src/report/dry-run.ts'
import { sentence } from '../../src/report/sentence.ts'
import { hostOutcome, now, outcomeOf } from './outcomes.ts'

const of = { files: 1470, bytes: 39_100_000 }
const files = [
  { path: '.next/server/app/page.js', size: 12_000 },
  { path: 'public/a|b.txt', size: 5 },
]
const locked: Finding = {
  effect: 'waits',
  code: 'locked',
  message: 'the lock is held by run 8',
  remedy: 'Wait',
}
const taken: Finding = { effect: 'ends', code: 'port-taken', message: 'somebody listens', remedy: null }

function host(changes: Partial<DryRun> = {}, name: string | null = null) {
  return hostOutcome({
    name,
    dryRun: { sending: { files, of }, pruned: [now], findings: [], ...changes },
  })
}

describe('of a dry run the summary', () => {
  test('has what would be sent and removed, with the files in a folded list', () => {
    expect(renderDryRun(host())).toBe(
      [
        '**What a real run would do**',
        '',
        '- **Send:** 2 of 1470 files, 12.0 KB of 39.1 MB before compression',
        `- **Remove:** \`${now}\``,
        '- **Problems:** none',
        '',
        '<details><summary>2 files to send</summary>',
        '',
        '| File | Size |',
        '| --- | --- |',
        '| .next/server/app/page.js | 12.0 KB |',
        '| public/a&#124;b.txt | 5 B |',
        '',
        '</details>',
      ].join('\n'),
    )
  })

  test('lists each problem and its remedy, the reason for a failure first', () => {
    const text = renderDryRun(host({ findings: [locked, taken] }))
    expect(text).toContain(
      '- **⛔ Would fail:** somebody listens.\n- **⏳ Would wait:** the lock is held by run 8. Wait.',
    )
    expect(text).not.toContain('none')
  })

  test('says that nothing would be sent', () => {
    const text = renderDryRun(host({ sending: { files: [], of }, pruned: [] }, 'web-1'))
    expect(text).toBe(
      [
        '**What a real run would do on web-1**',
        '',
        '- **Send:** nothing: the server already has all 1470 files',
        '- **Remove:** no release',
        '- **Problems:** none',
      ].join('\n'),
    )
  })

  test('of a rollback has nothing to send', () => {
    expect(renderDryRun(host({ sending: null }))).not.toContain('Send')
  })

  test('names so many files only', () => {
    const many = Array.from({ length: 1000 }, (_, index) => ({ path: `file ${index}`, size: 1 }))
    const text = renderDryRun(host({ sending: { files: many, of } }))
    expect(text).toContain('| file 199 |')
    expect(text).not.toContain('| file 200 |')
    expect(text).toContain('…and 800 more in the log')
  })
})

describe('of a dry run the sentence', () => {
  const dry = (...hosts: ReturnType<typeof host>[]) =>
    sentence(outcomeOf({ succeeded: true, liveRelease: now, hosts }), 'deploy')

  test('says that nothing was changed', () => {
    expect(dry(host({ findings: [locked] }))).toBe(`Dry run: nothing was changed. ${now} is live.`)
  })

  test('says that the run would fail', () => {
    const failing = host({ findings: [taken] })
    const start = `Dry run: nothing was changed. ${now} is live.`
    expect(dry(failing)).toBe(`${start} The deploy would fail now.`)
    expect(dry(host(), failing)).toBe(`${start} The deploy would fail now on 1 of 2 hosts.`)
  })
})
