import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Balancer, startHaproxy, startNginxBalancer } from '../support/balancer.ts'
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
import { checkOut, type Workspace } from '../support/workspace.ts'

/** The recipes of docs/many-servers.md, in front of three real hosts. With GAPLESS_TEST_ALL=1 alone. */
const thorough = mayMakeNamespaces && process.env['GAPLESS_TEST_ALL'] === '1'
const balanced = thorough ? describe : describe.skip
const visitors = { keepAlive: 4, busy: 1, fresh: 2, post: 2, stream: 1 }

let fleet: Fleet
let first: Workspace
let second: Workspace
const balancers: Balancer[] = []
const urls = () => balancers.map(({ url }) => url)

beforeAll(async () => {
  if (!thorough) return
  fleet = await startFleet(3)
  const checkout = checkOut()
  const building = { 'install-command': '', 'build-command': '' }
  const run = await runOnFleet(fleet, checkout, { ...building, batch: '100%' })
  if (run.code !== 0) throw new Error(run.log)
  first = checkout.copyBuilt()
  checkout.setMessage('second')
  const rebuilt = await runOnFleet(fleet, checkout, {
    ...building,
    'install-command': 'none',
    'dry-run': 'true',
  })
  if (rebuilt.code !== 0) throw new Error(rebuilt.log)
  second = checkout.copyBuilt()
  checkout.remove()
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

  test('when a host is cut off in mid-deploy', async () => {
    const host = fleet.hosts[1]!
    // Nobody but its sender can repeat a POST or the rest of a stream that a host has taken with it.
    const repeatable = { keepAlive: 4, busy: 1, fresh: 2 }
    try {
      const deploy = () => deployUntil(fleet, second, { host, step: 'reload' }, () => host.network.cutOff())
      expectRun(await underLoad(urls(), repeatable, deploy), { status: 'down' })
    } finally {
      host.network.mend()
    }
    // What it has become meanwhile is found, and put right.
    const next = await underLoad(urls(), visitors, () => runOnFleet(fleet, second))
    expectRun(next, { status: 'live' })
    expect(next.summary).toContain(`| recover | ${host.address} | ✅ |`)
  }, 420_000)
})
