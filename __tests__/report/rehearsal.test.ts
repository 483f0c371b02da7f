import { describe, expect, test } from '@jest/globals'
import type { Rehearsal } from '../../src/outcome.ts'
import type { Finding } from '../../src/protocol/messages.ts'
import { renderRehearsal } from '../../src/report/rehearsal.ts'
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

function host(changes: Partial<Rehearsal> = {}, name: string | null = null) {
  return hostOutcome({
    name,
    rehearsal: { sending: { files, of }, pruned: [now], findings: [], ...changes },
  })
}

describe('of a dry run the summary', () => {
  test('has what would be sent and removed, with the files in a folded list', () => {
    expect(renderRehearsal(host())).toBe(
      [
        '**What the run would do**',
        '',
        '- **Send:** 2 of 1470 files, 12.0 KB of 39.1 MB before compression',
        `- **Remove:** \`${now}\``,
        '- **In the way:** nothing',
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

  test('has what is in the way, and what to do about it', () => {
    const text = renderRehearsal(host({ findings: [taken, locked] }))
    expect(text).toContain('- **⛔ Fail:** somebody listens')
    expect(text).toContain('- **⏳ Wait:** the lock is held by run 8. Wait')
    expect(text).not.toContain('nothing')
  })

  test('says that nothing would be sent', () => {
    const text = renderRehearsal(host({ sending: { files: [], of }, pruned: [] }, 'web-1'))
    expect(text).toBe(
      [
        '**What the run would do on web-1**',
        '',
        '- **Send:** nothing: the server has all 1470 files',
        '- **Remove:** no release',
        '- **In the way:** nothing',
      ].join('\n'),
    )
  })

  test('of a rollback has nothing to send', () => {
    expect(renderRehearsal(host({ sending: null }))).not.toContain('Send')
  })

  test('names so many files only', () => {
    const many = Array.from({ length: 1000 }, (_, index) => ({ path: `file ${index}`, size: 1 }))
    const text = renderRehearsal(host({ sending: { files: many, of } }))
    expect(text).toContain('| file 199 |')
    expect(text).not.toContain('| file 200 |')
    expect(text).toContain('…and 800 more: see the log')
  })
})

describe('of a dry run the sentence', () => {
  const dry = (...hosts: ReturnType<typeof host>[]) =>
    sentence(outcomeOf({ succeeded: true, liveRelease: now, hosts }), 'deploy')

  test('says that nothing was changed', () => {
    expect(dry(host({ findings: [locked] }))).toBe(`Dry run: nothing was changed; ${now} is live.`)
  })

  test('says that the run would fail', () => {
    const failing = host({ findings: [taken] })
    const start = `Dry run: nothing was changed; ${now} is live.`
    expect(dry(failing)).toBe(`${start} The run would fail as things are.`)
    expect(dry(host(), failing)).toBe(`${start} The run would fail on 1 of 2 hosts as things are.`)
  })
})
