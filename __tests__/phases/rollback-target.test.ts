import { expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import type { Host } from '../../src/hosts/host.ts'
import { chooseRelease } from '../../src/phases/rollback-target.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { createPlan } from '../../src/plan.ts'
import type { ReleaseSummary } from '../../src/protocol/messages.ts'
import { releaseSummary } from '../report/outcomes.ts'
import { failureOf } from '../support/failure.ts'
import { silentLog } from '../support/log.ts'

const id = (number: number) => `2026010100000${number}`
const served = (number: number, changes: Partial<ReleaseSummary> = {}) =>
  releaseSummary({ id: id(number), activatedAt: `2026-01-01T00:00:0${number}.000Z`, ...changes })

/** What a rollback goes to on hosts that have these releases. */
function choose(
  histories: readonly (readonly ReleaseSummary[])[],
  release = '',
  warning: (line: string) => void = () => undefined,
  canary: string | null = null,
) {
  const inputs = readInputs({
    INPUT_HOST: histories.map((_, index) => `host-${index}`).join('\n'),
    INPUT_USERNAME: 'deploy',
    INPUT_PASSWORD: 'x',
    INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
    INPUT_COMMAND: 'rollback',
    INPUT_RELEASE: release,
  })
  const hosts = histories.map((releases, index) => {
    const call = async (operation: string) =>
      operation === 'releases' ? { releases } : { repaired: [], changed: [] }
    const facts = { canary: index === 0 ? canary : null }
    return { name: `host-${index}`, facts, agent: () => ({ call }) } as unknown as Host
  })
  return chooseRelease(createPlan(inputs, 'site'), hosts, createPipeline({ ...silentLog, warning }))
}

const left = served(2, { left: true })
const current = served(3, { live: true })

test('without a name it is the one that served before the current one, not one that a rollback left', async () => {
  const history = [served(1), left, current]
  expect(await choose([history])).toEqual({ release: id(1), replaces: id(3) })
})

test('of several that served before, it is the last', async () => {
  expect(await choose([[served(1), served(2), current]])).toMatchObject({ release: id(2) })
})

test('from a canary it is the current one', async () => {
  const history = [served(1), current, releaseSummary({ id: id(4) })]
  const none = () => undefined
  expect(await choose([history, history], '', none, id(4))).toEqual({ release: id(3), replaces: id(3) })
  expect(await choose([history], id(1), none, id(4))).toEqual({ release: id(1), replaces: null })
})

test('a release that a rollback left can be named', async () => {
  expect(await choose([[served(1), left, current]], id(2))).toEqual({ release: id(2), replaces: null })
})

test('on several hosts it served on every one', async () => {
  const neverHere = [served(1), releaseSummary({ id: id(2) }), current]
  expect(await choose([[served(1), served(2), current], neverHere])).toMatchObject({ release: id(1) })
})

test('without one, the failure lists the releases and their states', async () => {
  const failure = await failureOf(choose([[left, current]]))
  expect(failure).toMatchObject({
    code: 'no-release-to-go-back-to',
    remedy: expect.stringContaining(`${id(2)} (rolled back), ${id(3)} (live)`),
  })
})

test('a rollback to a release with a critical hole warns, once, and goes on', async () => {
  const warnings: string[] = []
  const { info } = served(1)
  const old = served(1, { info: { ...info!, nextVersion: '15.1.9' } })
  await choose(
    [
      [old, current],
      [old, current],
    ],
    id(1),
    (line) => void warnings.push(line),
  )
  expect(warnings).toEqual([expect.stringContaining('CVE-2025-29927')])
})
