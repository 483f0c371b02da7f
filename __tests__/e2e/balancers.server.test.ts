import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Balancer, startHaproxy, startNginxBalancer } from '../support/balancer.ts'
import { buildOfExample } from '../support/builds.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import {
  deployUntil,
  dyingWhereMarked,
  expectRun,
  messageAt,
  runOnFleet,
  underLoad,
  whileMarked,
} from '../support/fleet-runs.ts'
import { mayMakeNamespaces } from '../support/namespace.ts'
import type { Workspace } from '../support/workspace.ts'

/** The recipes of docs/many-servers.md, in front of three real hosts. With GAPLESS_TEST_ALL=1 alone. */
const thorough = mayMakeNamespaces && process.env['GAPLESS_TEST_ALL'] === '1'
const balanced = thorough ? describe : describe.skip
/** Long enough for both balancers to notice, in ms. */
const OUTAGE = 25_000
const visitors = { keepAlive: 4, busy: 1, fresh: 2, post: 2, stream: 1 }

let fleet: Fleet
let first: Workspace
let second: Workspace
const balancers: Balancer[] = []
const urls = () => balancers.map(({ url }) => url)

beforeAll(async () => {
  if (!thorough) return
  fleet = await startFleet(3)
  first = await buildOfExample('first')
  second = await buildOfExample('second')
  const run = await runOnFleet(fleet, first, { batch: '100%' })
  if (run.code !== 0) throw new Error(run.log)
  const addresses = fleet.hosts.map(({ address, appPort }) => `${address}:${appPort}`)
  balancers.push(await startHaproxy(addresses), await startNginxBalancer(addresses))
}, 300_000)
afterAll(async () => {
  await Promise.all(balancers.map((balancer) => balancer.stop()))
  await fleet?.stop()
  first?.remove()
  second?.remove()
}, 60_000)

const messages = () => Promise.all(urls().map(messageAt))

balanced('through HAProxy and nginx no request fails', () => {
  test('during a deploy', async () => {
    expectRun(await underLoad(urls(), visitors, () => runOnFleet(fleet, second)), { status: 'live' })
    expect(await messages()).toEqual(['second', 'second'])
  }, 120_000)

  test('during a release that dies on the second host', async () => {
    const broken = dyingWhereMarked(first)
    const deploy = () => whileMarked(fleet.hosts[1]!, () => runOnFleet(fleet, broken))
    try {
      expectRun(await underLoad(urls(), visitors, deploy), { status: 'restored' })
      expect(await messages()).toEqual(['second', 'second'])
    } finally {
      broken.remove()
    }
  }, 120_000)

  test('during a rollback', async () => {
    const rollback = () => runOnFleet(fleet, second, { command: 'rollback' })
    expectRun(await underLoad(urls(), visitors, rollback), { status: 'live' })
    expect(await messages()).toEqual(['first', 'first'])
  }, 120_000)

  test('when a host is cut off in mid-deploy, and after a while comes back', async () => {
    const host = fleet.hosts[1]!
    // Nobody but its sender can repeat a POST or the rest of a stream that a host has taken with it.
    const repeatable = { keepAlive: 4, busy: 1, fresh: 2 }
    const deploy = () =>
      deployUntil(fleet, second, { host, step: 'reload' }, async () => {
        host.network.cutOff()
        await delay(OUTAGE)
        host.network.mend()
      })
    expectRun(await underLoad(urls(), repeatable, deploy), { status: 'live' })
    expect(await messages()).toEqual(['second', 'second'])
    expect(new Set(fleet.hosts.map((one) => one.current())).size).toBe(1)
  }, 180_000)
})
