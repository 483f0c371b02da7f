import { expect, test } from '@jest/globals'
import { activate } from '../../src/phases/activate-host.ts'
import type { Host } from '../../src/hosts/host.ts'
import { Failure } from '../../src/common/failure.ts'
import type { JournalEntry, Verdict } from '../../src/protocol/messages.ts'
import { request } from '../agent/releases-on-disk.ts'

const live: Verdict = {
  status: 'live',
  live: request.release,
  previous: null,
  rollsBackTo: null,
  notFound: '',
  watch: null,
  failure: null,
  workers: [],
}

const entry = {
  time: '2026-01-01T00:00:00.000Z',
  activation: request.activation,
  detail: '',
  verdict: null,
}

/** A server that tells these entries, and then the verdict. */
function hostThat(entries: readonly Partial<JournalEntry>[], verdict: Verdict): Host {
  const told = entries.map((each) => ({ ...entry, ...each }))
  const call = async (_: string, __: unknown, { onEvent }: { onEvent: (value: unknown) => void }) => {
    for (const entry of told) onEvent(entry)
    return verdict
  }
  return { agent: () => ({ call }) } as unknown as Host
}

test('lines tell of hooks, and each entry is passed on once', async () => {
  const lines: string[] = []
  const entries: string[] = []
  const host = hostThat(
    [
      { step: 'pre-activate', state: 'begin' },
      { step: 'pre-activate', state: 'done', detail: 'migrated' },
      { step: 'swap', state: 'begin' },
      { step: 'swap', state: 'done', detail: 'current -> there' },
    ],
    live,
  )
  const verdict = await activate(
    host,
    request,
    (line) => void lines.push(line),
    ({ step, state }) => void entries.push(`${step} ${state}`),
  )
  expect(verdict).toEqual(live)
  expect(lines).toEqual(['pre-activate started', 'pre-activate: migrated'])
  expect(entries).toEqual(['pre-activate begin', 'pre-activate done', 'swap begin', 'swap done'])
})

test('a session that resumes watching passes on only what is new', async () => {
  const swap = ['begin', 'done'].map((state) => ({ ...entry, step: 'swap', state }))
  const answers = [
    (onEvent: (value: unknown) => void) => {
      onEvent(swap[0])
      throw new Failure('connection-lost', 'The connection was lost.')
    },
    (onEvent: (value: unknown) => void) => {
      for (const each of swap) onEvent(each)
      return live
    },
  ]
  const call = async (_: string, __: unknown, { onEvent }: { onEvent: (value: unknown) => void }) =>
    answers.shift()!(onEvent)
  const host = { agent: () => ({ call }), reconnect: async () => undefined } as unknown as Host
  const states: string[] = []
  await activate(
    host,
    request,
    () => undefined,
    ({ state }) => void states.push(state),
  )
  expect(states).toEqual(['begin', 'done'])
})
