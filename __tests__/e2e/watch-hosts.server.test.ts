import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { expectRun, runOnFleet } from '../support/fleet-runs.ts'
import { ill, visit, type Visitors } from '../support/ill-release.ts'
import { mayMakeNamespaces } from '../support/namespace.ts'
import { until } from '../support/until.ts'
import type { Workspace } from '../support/workspace.ts'

/** What traffic says on one of two hosts counts for both. */

const thorough = mayMakeNamespaces && process.env['GAPLESS_TEST_ALL'] === '1' ? describe : describe.skip

thorough('on two hosts', () => {
  let fleet: Fleet
  let workspace: Workspace
  let from: Workspace
  let good: string

  beforeAll(async () => {
    workspace = await buildOfExample('first')
    from = ill(workspace, 0.5)
    fleet = await startFleet(2)
    const first = await runOnFleet(fleet, workspace)
    expectRun(first, { status: 'live' })
    good = first.outputs['release']!
  }, 300_000)
  afterAll(async () => {
    await fleet?.stop()
    from?.remove()
    workspace?.remove()
  }, 60_000)

  const current = () => fleet.hosts.map((host) => host.current())

  /** Only one of the hosts has visitors. */
  async function withVisitors(host: number, act: (visitors: Visitors) => Promise<void>): Promise<void> {
    const visitors = visit(fleet.hosts[host]!.url)
    try {
      await until('they have been answered', () => visitors.statuses.length >= 60, 30_000)
      await act(visitors)
      expect(visitors.broken).toEqual([])
    } finally {
      await visitors.stop()
    }
  }

  test(
    'the second one takes back the release of both',
    () =>
      withVisitors(1, async () => {
        const run = await runOnFleet(fleet, from, { watch: '2m' })
        expectRun(run, { status: 'restored', 'live-release': good })
        expect(run.summary).toContain('traffic-worse')
        expect(current()).toEqual([good, good])
      }),
    240_000,
  )

  test(
    'an ill canary of the first one keeps the release from the second',
    () =>
      withVisitors(0, async () => {
        const run = await runOnFleet(fleet, from, { canary: '5m' })
        expectRun(run, { status: 'restored', 'live-release': good })
        expect(run.summary).toContain('traffic-worse')
        expect(journalAt(fleet.hosts[1]!.app)).not.toContain(run.outputs['release'])
        expect(current()).toEqual([good, good])
      }),
    240_000,
  )

  test('a newer deploy need not wait for the canary of the first one', async () => {
    const running = runOnFleet(fleet, workspace, { canary: '5m' })
    const { app } = fleet.hosts[0]!
    await until('there is a canary', () => canaryAt(app), 60_000)
    const newer = await runOnFleet(fleet, workspace)
    expectRun(newer, { status: 'live', 'previous-release': good })
    expectRun(await running, { status: 'restored' })
    good = newer.outputs['release']!
  }, 300_000)

  test('a good canary of the first one is followed by all workers of both', async () => {
    const run = await runOnFleet(fleet, workspace, { canary: '5s' })
    expectRun(run, { status: 'live', 'previous-release': good })
    expect(new Set(current())).toEqual(new Set([run.outputs['release']]))
  }, 240_000)
})

const journalAt = (app: string) => readFileSync(join(app, '.gapless/journal.jsonl'), 'utf8')
const canaryAt = (app: string) => journalAt(app).trimEnd().split('\n').at(-1)!.includes('"canary":{')
