import { expect, test } from '@jest/globals'
import type { PhaseName, Row } from '../../src/pipeline.ts'
import { slowestHost } from '../../src/report/slowest.ts'

function rowsOf(times: Readonly<Record<string, Partial<Record<PhaseName, number>>>>): readonly Row[] {
  return Object.entries(times).flatMap(([host, phases]) =>
    Object.entries(phases).map(([phase, durationMs]): Row => ({
      phase: phase as PhaseName,
      host,
      state: 'ok',
      startedAt: 0,
      durationMs,
      detail: '',
    })),
  )
}

test('the slowest host is named, with its time, and where it lost it', () => {
  const rows = rowsOf({
    'web-1': { connect: 800, upload: 4000, reload: 11_000 },
    'web-2': { connect: 900, upload: 16_000, reload: 11_500 },
    'web-3': { connect: 2000, upload: 4500, reload: 12_000 },
  })
  expect(slowestHost(rows)).toBe(
    'web-2 took 28.4 s, 12.6 s more than web-1, mostly in upload (16.0 s against 4.0 s)',
  )
})

test('a phase that only the slowest had counts as well', () => {
  const rows = rowsOf({ a: { reload: 9000 }, b: { reload: 9100, rollback: 7000 } })
  expect(slowestHost(rows)).toBe('b took 16.1 s, 7.1 s more than a, mostly in rollback (7.0 s against 0 ms)')
})

test('hosts that hardly differ are not compared', () => {
  expect(slowestHost(rowsOf({ a: { reload: 9000 }, b: { reload: 9400 } }))).toBe(
    'b took 9.4 s; every other host took nearly as long',
  )
})

test('one host, or the runner alone, is not the slowest of any', () => {
  expect(slowestHost([])).toBe('')
  expect(slowestHost(rowsOf({ a: { reload: 9000 } }))).toBe('')
  expect(slowestHost(rowsOf({ a: { reload: 9000 } }).map((row) => ({ ...row, host: null })))).toBe('')
})
