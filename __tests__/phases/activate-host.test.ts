import { expect, test } from '@jest/globals'
import { activate } from '../../src/phases/activate-host.ts'
import type { Host } from '../../src/hosts/host.ts'
import { Failure } from '../../src/common/failure.ts'
import type { JournalEntry, Verdict } from '../../src/protocol/messages.ts'
import { request } from '../agent/releases-on-disk.ts'
import { failureOf } from '../support/failure.ts'

const live: Verdict = {
  status: 'live',
  live: request.release,
  previous: null,
  rollsBackTo: null,
  notFound: '',
  failure: null,
  workers: [],
}

/** A server that tells these entries, and then the verdict. */
function hostThat(entries: readonly Partial<JournalEntry>[], verdict: Verdict): Host {
  const told = entries.map((entry) => ({
    time: '2026-01-01T00:00:00.000Z',
    activation: request.activation,
    detail: '',
    verdict: null,
    ...entry,
  }))
  const call = async (_: string, __: unknown, { onEvent }: { onEvent: (value: unknown) => void }) => {
    for (const entry of told) onEvent(entry)
    return verdict
  }
  return { agent: () => ({ call }) } as unknown as Host
}

test('steps are done as the journal says, and hooks are told of', async () => {
  const lines: string[] = []
  const host = hostThat(
    [
      { step: 'pre-activate', state: 'begin' },
      { step: 'pre-activate', state: 'done', detail: 'migrated' },
      { step: 'swap', state: 'begin' },
      { step: 'swap', state: 'done', detail: 'current -> there' },
    ],
    live,
  )
  const activation = activate(host, request, (line) => void lines.push(line))
  expect(await activation.step('swap')).toBe('current -> there')
  expect(await activation.verdict).toEqual(live)
  expect(activation.hasSwapped()).toBe(true)
  expect(lines).toEqual(['pre-activate started', 'pre-activate: migrated'])
})

test('a verdict of live counts, whatever of the journal could be read', async () => {
  const activation = activate(hostThat([], live), request, () => undefined)
  expect(await activation.step('swap')).toContain('journal')
  expect(await activation.step('health-check')).toContain('journal')
})

test('a step that was not reached fails as the whole does', async () => {
  const failure = new Failure('worker-died', 'a worker died').toRecord()
  const host = hostThat([{ step: 'swap', state: 'done' }], { ...live, status: 'restored', failure })
  const activation = activate(host, request, () => undefined)
  await activation.step('swap')
  expect((await failureOf(activation.step('reload'))).code).toBe('worker-died')
})
