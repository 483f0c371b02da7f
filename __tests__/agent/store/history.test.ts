import { expect, test } from '@jest/globals'
import { markServing, previousRelease, type Serving } from '../../../src/agent/store/history.ts'
import { activatedAt, listReleases, pointCurrentAt } from '../../../src/agent/store/releases.ts'
import { stateOf } from '../../../src/protocol/history.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const id = (number: number) => `2026010100000${number}`

/** A server on which releases went live, as these tell one after the other: `deploy 1`, `rollback 1`, `restore 1`. */
async function after(...steps: readonly string[]) {
  const layout = newLayout(folder())
  let replaced: string | null = null
  for (const [index, step] of steps.entries()) {
    const [kind = '', number] = step.split(' ')
    const release = id(Number(number))
    if (kind === 'deploy') writeRelease(layout, release)
    await pointCurrentAt(layout, release)
    await markServing(layout, release, {
      activation: `activation ${index}`,
      kind: kind as Serving['kind'],
      replaced,
    })
    replaced = release
  }
  return { layout, previous: () => previousRelease(layout, replaced) }
}

test.each([
  [['deploy 1'], null],
  [['deploy 1', 'deploy 2'], 1],
  // The release that a rollback left is no target of the next one.
  [['deploy 1', 'deploy 2', 'rollback 1'], null],
  [['deploy 1', 'deploy 2', 'rollback 1', 'deploy 3'], 1],
  [['deploy 1', 'deploy 2', 'deploy 3', 'rollback 2'], 1],
  [['deploy 1', 'deploy 2', 'deploy 3', 'rollback 2', 'rollback 1'], null],
  // Forward again: what served before is as it was.
  [['deploy 1', 'deploy 2', 'rollback 1', 'rollback 2'], 1],
  [['deploy 1', 'deploy 2', 'rollback 1', 'rollback 2', 'restore 1', 'deploy 3'], 1],
  // Nor is one that it passed over.
  [['deploy 1', 'deploy 2', 'deploy 3', 'rollback 1', 'deploy 4'], 1],
  [['deploy 1', 'deploy 2', 'deploy 3', 'rollback 1', 'rollback 3', 'deploy 4'], 3],
  // What came of a rollback that was taken back is as it was before.
  [['deploy 1', 'deploy 2', 'deploy 3', 'rollback 1', 'restore 3'], 2],
  // A deploy that was taken back did not serve.
  [['deploy 1', 'deploy 2', 'restore 1', 'deploy 3'], 1],
  [['deploy 1', 'deploy 2', 'deploy 3', 'restore 2'], 1],
] as const)('after %j the previous release is %j', async (steps, expected) => {
  const { previous } = await after(...steps)
  expect(await previous()).toBe(expected === null ? null : id(expected))
})

test('a release that comes back keeps its place, and every release has one word for its state', async () => {
  const { layout } = await after('deploy 1', 'deploy 2', 'deploy 3', 'deploy 4')
  const at = await activatedAt(layout, id(3))
  await markServing(layout, id(3), { activation: 'back', kind: 'rollback', replaced: id(4) })
  await pointCurrentAt(layout, id(3))
  writeRelease(layout, id(5))
  expect(await activatedAt(layout, id(3))).toBe(at)
  const releases = await listReleases(layout)
  expect(releases.map((release) => stateOf(release, releases))).toEqual([
    'verified',
    'previous',
    'live',
    'rolled back',
    'never verified',
  ])
})

test('a deploy counts as later, although the clock was set back', async () => {
  const layout = newLayout(folder())
  writeRelease(layout, id(1), '2031-01-01T00:00:00.000Z')
  for (const number of [2, 3]) {
    writeRelease(layout, id(number))
    await markServing(layout, id(number), { activation: 'a', kind: 'deploy', replaced: id(number - 1) })
    expect(await previousRelease(layout, id(number))).toBe(id(number - 1))
  }
})

test('a release that was never shown to serve is not the previous one, and one that is excluded is not either', async () => {
  const layout = newLayout(folder())
  writeRelease(layout, id(1), '2026-01-01T00:00:00.000Z')
  writeRelease(layout, id(2))
  writeRelease(layout, id(3), '2026-01-03T00:00:00.000Z')
  expect(await previousRelease(layout, id(3))).toBe(id(1))
  expect(await previousRelease(layout, id(2))).toBe(id(3))
  expect(await previousRelease(layout, id(2), id(3))).toBe(id(1))
})
