import {
  appendFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import {
  followJournal,
  openJournal,
  readJournal,
  trimJournal,
} from '../../../src/agent/activation/journal.ts'
import type { JournalEntry, Verdict } from '../../../src/protocol/messages.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'

const folder = temporaryFolders()
const live: Verdict = {
  status: 'live',
  live: '20261120155203',
  previous: null,
  rollsBackTo: null,
  notFound: '',
  watch: null,
  failure: null,
  workers: [],
}
const short = ({ step, state, detail }: JournalEntry) => `${step} ${state}: ${detail}`

describe('the journal', () => {
  test('keeps what an activation did, in order, for its user alone', async () => {
    const file = join(folder(), 'journal.jsonl')
    const journal = openJournal(file, 'a')
    await journal.begin('swap', 'current -> releases/2')
    await journal.note('reload', 'waiting')
    await journal.failed('reload', 'it died')
    await journal.done('rollback', 'restored 1')
    await journal.verdict(live)

    const entries = await readJournal(file, 10)
    expect(entries.map(short)).toEqual([
      'swap begin: current -> releases/2',
      'reload note: waiting',
      'reload failed: it died',
      'rollback done: restored 1',
      'null verdict: live',
    ])
    expect(entries.every(({ activation }) => activation === 'a')).toBe(true)
    expect(entries.at(-1)?.verdict).toEqual(live)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('gives the last entries, of all activations', async () => {
    const file = join(folder(), 'journal.jsonl')
    for (const activation of ['a', 'b', 'c']) await openJournal(file, activation).begin('swap', activation)
    expect((await readJournal(file, 2)).map(({ activation }) => activation)).toEqual(['b', 'c'])
  })

  test('is empty where there is none', async () => {
    expect(await readJournal(join(folder(), 'journal.jsonl'), 10)).toEqual([])
  })

  test('passes over a line that a crash interrupted, and loses nothing after it', async () => {
    const file = join(folder(), 'journal.jsonl')
    await openJournal(file, 'a').begin('swap', 'before')
    const line = readFileSync(file, 'utf8').trim()
    appendFileSync(file, line.slice(0, line.length / 2))
    const journal = openJournal(file, 'b')
    await journal.begin('lock', 'after')
    await journal.done('lock', 'locked')

    expect((await readJournal(file, 10)).map(({ detail }) => detail)).toEqual(['before', 'after', 'locked'])
  })
})

describe('a long journal', () => {
  test('loses its beginning, whole lines of it, and keeps its mode', async () => {
    const file = join(folder(), 'journal.jsonl')
    const journal = openJournal(file, 'a')
    await journal.begin('swap', 'first')
    const line = readFileSync(file, 'utf8').trim()
    appendFileSync(file, `${line}\n`.repeat(1 + (1024 * 1024) / line.length))
    await journal.verdict(live)
    const before = await readJournal(file)

    await trimJournal(file)
    const kept = await readJournal(file)
    expect(statSync(file).size).toBeLessThanOrEqual(512 * 1024)
    expect(kept.length).toBeGreaterThan(1_000)
    expect(kept).toEqual(before.slice(-kept.length))
    expect(readFileSync(file, 'utf8').trim().split(/\n+/)).toHaveLength(kept.length)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  test('is left alone while it is short', async () => {
    const file = join(folder(), 'journal.jsonl')
    await openJournal(file, 'a').begin('swap', 'only')
    const { ino } = statSync(file)
    await trimJournal(file)
    expect(statSync(file).ino).toBe(ino)
  })

  test('is not made where there is none', async () => {
    const file = join(folder(), 'journal.jsonl')
    await trimJournal(file)
    expect(existsSync(file)).toBe(false)
  })
})

describe('a disk that is full', () => {
  /** The kernel's own: every write fails with ENOSPC. */
  const full = '/dev/full'
  let said: string[]
  beforeEach(() => {
    said = []
    jest.spyOn(console, 'error').mockImplementation((line: string) => void said.push(line))
  })
  afterEach(() => void jest.restoreAllMocks())

  test('stops an activation that has touched nothing yet', async () => {
    const journal = openJournal(full, 'a')
    await expect(journal.begin('swap', '')).rejects.toMatchObject({ code: 'ENOSPC' })
    await expect(journal.done('lock', '')).rejects.toMatchObject({ code: 'ENOSPC' })
    await journal.note('lock', 'a remark is never a reason')
  })

  test('does not stop one that cannot stop any more', async () => {
    const journal = openJournal(full, 'a')
    journal.bestEffort()
    await journal.done('swap', '')
    await journal.failed('reload', 'it died')
    expect(said[1]).toContain('reload failed: it died (not in the journal: ENOSPC')
    await expect(journal.verdict(live)).rejects.toMatchObject({ code: 'ENOSPC' })
  })

  test('is given room once, and the entry is written then', async () => {
    const parent = folder()
    const file = join(parent, 'journal.jsonl')
    symlinkSync(full, file)
    let asked = 0
    const journal = openJournal(file, 'a', (write) =>
      write().catch(() => {
        asked += 1
        rmSync(file)
        return write()
      }),
    )
    await journal.begin('swap', 'with room')
    expect(asked).toBe(1)
    expect((await readJournal(file)).map(short)).toEqual(['swap begin: with room'])
  })
})

describe('following an activation', () => {
  test('sees its entries as they are written, and none of another', async () => {
    const file = join(folder(), 'journal.jsonl')
    await openJournal(file, 'mine').begin('swap', 'before it was followed')
    let ended = false
    const seen: string[] = []
    const following = (async () => {
      const entries = followJournal(file, statSync(file).size, 'mine', () => ended)
      for await (const { entry } of entries) seen.push(entry.detail)
    })()

    const [mine, other] = [openJournal(file, 'mine'), openJournal(file, 'other')]
    await mine.begin('swap', 'one')
    await until('the first entry', () => seen.length === 1)
    await other.begin('swap', 'of another')
    await mine.done('swap', 'two')
    await until('the second entry', () => seen.length === 2)
    ended = true
    await following
    expect(seen).toEqual(['one', 'two'])
  })

  test('begins before the journal does', async () => {
    const file = join(folder(), 'journal.jsonl')
    let ended = false
    const entries = followJournal(file, 0, 'a', () => ended)
    const first = entries.next()
    await openJournal(file, 'a').begin('lock', 'the first line ever')
    expect((await first).value).toMatchObject({ entry: { detail: 'the first line ever' } })
    ended = true
    expect((await entries.next()).done).toBe(true)
  })

  test.each([
    ['emptied', (file: string) => writeFileSync(file, '')],
    ['removed', (file: string) => rmSync(file)],
  ])('goes on when the journal is %s by hand', async (_, spoil) => {
    const file = join(folder(), 'journal.jsonl')
    const journal = openJournal(file, 'a')
    await journal.begin('swap', 'before')
    let ended = false
    const entries = followJournal(file, 0, 'a', () => ended)
    expect((await entries.next()).value).toMatchObject({ entry: { detail: 'before' } })
    spoil(file)
    await journal.done('swap', 'so')
    expect((await entries.next()).value).toMatchObject({ entry: { detail: 'so' } })
    ended = true
    expect((await entries.next()).done).toBe(true)
  })

  test('reads what was written in the moment the process ended', async () => {
    const file = join(folder(), 'journal.jsonl')
    writeFileSync(file, '')
    const line = JSON.stringify({
      time: '',
      activation: 'a',
      step: null,
      state: 'verdict',
      detail: 'live',
      verdict: live,
    })
    // Asked whether it has ended, it writes its last line and says yes.
    const entries = followJournal(file, 0, 'a', () => {
      if (statSync(file).size === 0) appendFileSync(file, `${line}\n`)
      return true
    })
    expect((await entries.next()).value).toMatchObject({ entry: { verdict: live } })
    expect((await entries.next()).done).toBe(true)
  })

  test('puts a line together that arrives in pieces', async () => {
    const file = join(folder(), 'journal.jsonl')
    const detail = `ü${'x'.repeat(100_000)}`
    await openJournal(file, 'a').begin('swap', detail)
    const [bytes, half] = [readFileSync(file), 70_000]
    writeFileSync(file, bytes.subarray(0, half))
    let asked = 0
    const entries = followJournal(file, 0, 'a', () => {
      asked += 1
      if (asked === 1) appendFileSync(file, bytes.subarray(half))
      return false
    })
    expect((await entries.next()).value).toMatchObject({ entry: { detail }, end: bytes.length })
    await entries.return()
  })
})
