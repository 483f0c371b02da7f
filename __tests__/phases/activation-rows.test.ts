import { expect, test } from '@jest/globals'
import { activationRows } from '../../src/phases/activation-rows.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { Failure } from '../../src/common/failure.ts'
import type { ActivationStatus, JournalEntry } from '../../src/protocol/messages.ts'
import { silentLog } from '../support/log.ts'

/** @param entries `<step> <state>`, and a detail after a colon */
function rowsOf(
  entries: readonly string[],
  status: ActivationStatus,
  failure: Failure | null = null,
  canary = false,
) {
  let open = 0
  const log = { ...silentLog, group: () => void (open += 1), endGroup: () => void (open -= 1) }
  const pipeline = createPipeline(log)
  const rows = activationRows(pipeline, canary)
  for (const entry of entries) {
    const [, step, state, detail = ''] = /^(\S+) (\w+)(?:: (.*))?$/.exec(entry)!
    rows.add({ time: '', activation: '', verdict: null, step, state, detail } as JournalEntry)
  }
  rows.end(status, failure)
  expect(open).toBe(0)
  return pipeline.rows.map(({ phase, state, detail }) => `${phase} ${state}: ${detail}`)
}

const died = new Failure('worker-died', 'A worker died.')
const unread = 'done: the journal does not say what'

test('are done as the journal says', () => {
  const entries = [
    'lock done',
    'pre-activate done: migrated',
    'swap begin',
    'swap done: current -> there',
    'reload begin',
    'reload done: 2 workers',
    'health-check note: slow',
    'health-check done: HTTP 200',
  ]
  expect(rowsOf(entries, 'live')).toEqual([
    'swap ok: current -> there',
    'reload ok: 2 workers',
    'health-check ok: HTTP 200',
  ])
})

test('a verdict of live counts, whatever of the journal could be read', () => {
  expect(rowsOf(['swap done: there'], 'live')).toEqual([
    'swap ok: there',
    `reload ok: ${unread}`,
    `health-check ok: ${unread}`,
  ])
})

test('a step that was not reached fails as the whole does', () => {
  expect(rowsOf([], 'kept', died)).toEqual(['swap failed: A worker died.'])
})

test('a swap that fails before it has touched anything has no rollback', () => {
  expect(rowsOf(['swap begin', 'swap failed: read-only'], 'kept', died)).toEqual(['swap failed: read-only.'])
})

test('a failed step is followed by the rollback', () => {
  const entries = ['swap done: there', 'reload failed: it died', 'rollback begin', 'rollback done: back']
  expect(rowsOf(entries, 'restored', died)).toEqual([
    'swap ok: there',
    'reload failed: it died.',
    'rollback ok: back',
  ])
})

test('a canary that was asked for comes between swap and reload', () => {
  const entries = ['swap done: there', 'canary begin', 'canary begin', 'canary done: 30 requests']
  const after = ['swap begin', 'swap done: there', 'reload done: 2 workers', 'health-check done: HTTP 200']
  expect(rowsOf([...entries, ...after], 'live', null, true)).toEqual([
    'swap ok: there',
    'canary ok: 30 requests',
    'reload ok: 2 workers',
    'health-check ok: HTTP 200',
  ])
  const ill = rowsOf(
    ['swap done: there', 'canary failed: it died', 'rollback done: back'],
    'restored',
    died,
    true,
  )
  expect(ill).toEqual(['swap ok: there', 'canary failed: it died.', 'rollback ok: back'])
})

test('a rollback that the journal does not tell of is what the verdict says', () => {
  const swapped = ['swap done: there', 'reload failed: it died']
  expect(rowsOf(swapped, 'restored', died).at(-1)).toBe(`rollback ok: ${unread}`)
  expect(rowsOf(swapped, 'down', died).at(-1)).toBe('rollback failed: A worker died.')
  expect(rowsOf(['swap failed: x'], 'restored', died).at(-1)).toBe(`rollback ok: ${unread}`)
})

test('a rollback that fails is told once', () => {
  const entries = ['swap done: there', 'reload failed: it died', 'rollback failed: it hangs']
  expect(rowsOf(entries, 'down', died)).toEqual([
    'swap ok: there',
    'reload failed: it died.',
    'rollback failed: it hangs.',
  ])
})

test('an activation that was resumed repeats steps that are told already', () => {
  const entries = ['swap done: there', 'reload begin', 'swap done: again', 'reload done: 2 workers']
  expect(rowsOf(entries, 'live').slice(0, 2)).toEqual(['swap ok: there', 'reload ok: 2 workers'])
})
