import { describe, expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import type { Host } from '../../src/hosts/host.ts'
import { chooseStaged } from '../../src/phases/staged-target.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { createPlan } from '../../src/plan.ts'
import type { ReleaseSummary } from '../../src/protocol/messages.ts'
import { releaseSummary } from '../report/outcomes.ts'
import { failureOf } from '../support/failure.ts'
import { silentLog } from '../support/log.ts'

const id = (number: number) => `2026010100000${number}`
const served = (number: number, changes: Partial<ReleaseSummary> = {}) =>
  releaseSummary({ id: id(number), activatedAt: `2026-01-01T00:00:0${number}.000Z`, ...changes })
const staged = (number: number) => releaseSummary({ id: id(number), staged: true })
const current = served(3, { live: true })

/** What a promote goes to on hosts that have these releases. */
async function choose(
  histories: readonly (readonly ReleaseSummary[])[],
  release = '',
  integrity: object = { repaired: [], changed: [] },
) {
  const inputs = readInputs({
    INPUT_HOST: histories.map((_, index) => `host-${index}`).join('\n'),
    INPUT_USERNAME: 'deploy',
    INPUT_PASSWORD: 'x',
    INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
    INPUT_COMMAND: 'promote',
    INPUT_RELEASE: release,
  })
  const asked: unknown[] = []
  const warnings: string[] = []
  const hosts = histories.map((releases, index) => {
    const call = async (operation: string, params: unknown) => {
      if (operation === 'releases') return { releases }
      asked.push(params)
      return integrity
    }
    return { name: `host-${index}`, agent: () => ({ call }) } as unknown as Host
  })
  const log = { ...silentLog, warning: (line: string) => void warnings.push(line) }
  const choice = await chooseStaged(createPlan(inputs, 'site'), hosts, createPipeline(log))
  return { ...choice, asked, warnings }
}

test('without a name it is the newest that is staged', async () => {
  expect(await choose([[served(1), current, staged(4), staged(5)]])).toMatchObject({
    release: id(5),
    replaces: id(3),
  })
})

test('another one can be named, and still replaces what is current now', async () => {
  expect(await choose([[current, staged(4), staged(5)]], id(4))).toMatchObject({
    release: id(4),
    replaces: id(3),
  })
})

test('the first release of an app can be promoted', async () => {
  expect(await choose([[staged(4)]])).toMatchObject({ release: id(4), replaces: null })
})

test('its files are verified on every host, and nothing is repaired', async () => {
  const { asked } = await choose([
    [current, staged(4)],
    [current, staged(4)],
  ])
  expect(asked).toEqual([
    { id: id(4), repair: false },
    { id: id(4), repair: false },
  ])
})

describe('is refused where', () => {
  const codeOf = async (...given: Parameters<typeof choose>) => {
    const { code, message } = await failureOf(choose(...given))
    return { code, message }
  }

  test('nothing is staged', async () => {
    expect(await codeOf([[served(1), current]])).toMatchObject({ code: 'nothing-staged' })
    expect(await codeOf([[served(1), current, releaseSummary({ id: id(4) })]])).toMatchObject({
      code: 'nothing-staged',
    })
  })

  test('the named release is not staged', async () => {
    const history = [current, releaseSummary({ id: id(4) }), staged(5)]
    expect(await codeOf([history], id(4))).toMatchObject({ code: 'not-staged' })
    expect(await codeOf([history], id(3))).toEqual({
      code: 'not-staged',
      message: `Release "${id(3)}" is already the current one.`,
    })
  })

  test('it is older than the current one, also when cleanup has removed it', async () => {
    expect(await codeOf([[releaseSummary({ id: id(2) }), current]], id(2))).toMatchObject({
      code: 'staged-outdated',
    })
    expect(await codeOf([[current, staged(4)]], id(2))).toEqual({
      code: 'staged-outdated',
      message: `Release "${id(2)}" is older than the current release "${id(3)}".`,
    })
  })

  test('it is staged on only some hosts, rather than that an older one is taken', async () => {
    const histories = [
      [current, staged(4), staged(5)],
      [current, staged(4)],
    ]
    expect(await codeOf(histories)).toEqual({
      code: 'staged-partly',
      message: `Release "${id(5)}" is staged on host-0, but not on host-1.`,
    })
    expect(await choose(histories, id(4))).toMatchObject({ release: id(4) })
  })

  test('files of it were damaged, although other releases have them', async () => {
    const found = { repaired: ['server.js'], changed: [] }
    expect(await codeOf([[current, staged(4)]], '', found)).toMatchObject({
      code: 'release-damaged',
      message: expect.stringContaining('server.js'),
    })
  })
})

test('a file that the app may write is only warned of', async () => {
  const { warnings } = await choose([[current, staged(4)]], '', { repaired: [], changed: ['data.db'] })
  expect(warnings).toEqual([expect.stringContaining('data.db')])
})
