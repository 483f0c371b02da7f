import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { type Fleet, type FleetHost, startFleet } from '../support/fleet.ts'
import {
  deployUntil,
  dyingWhereMarked,
  expectRun,
  type Inputs,
  journalOf,
  messageAt,
  runOnFleet,
  underLoad,
  whileMarked,
} from '../support/fleet-runs.ts'
import { mayMakeNamespaces } from '../support/namespace.ts'
import type { RunOptions, RunResult } from '../support/runner.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** Several hosts go live together or not at all. Each is real: its own network, sshd, PM2 and home. */
const all = process.env['GAPLESS_TEST_ALL'] === '1'
const withHosts = mayMakeNamespaces ? test : test.skip
const thorough = mayMakeNamespaces && all ? test : test.skip

let fleet: Fleet
let first: Workspace
let second: Workspace

beforeAll(async () => {
  if (!mayMakeNamespaces) return
  first = await buildOfExample('first')
  second = await buildOfExample('second')
  fleet = await startFleet(3)
}, 240_000)
afterAll(async () => {
  await fleet?.stop()
  for (const workspace of [first, second]) workspace?.remove()
}, 60_000)

const run = (workspace: Workspace, inputs: Inputs = {}, options: Partial<RunOptions> = {}) =>
  runOnFleet(fleet, workspace, inputs, options)

/** Visitors of every host, directly: no balancer hides what one of them does. */
const visited = <T>(act: () => Promise<T>, hosts = fleet.hosts) =>
  underLoad(
    hosts.map(({ url }) => url),
    { keepAlive: 2, busy: 1, fresh: 1, post: 1 },
    act,
  )

const messageOn = ({ url }: FleetHost) => messageAt(url)
const messages = () => Promise.all(fleet.hosts.map(messageOn))
const current = () => fleet.hosts.map((host) => host.current())
const everywhere = <T>(value: T) => fleet.hosts.map(() => value)
const releasesOf = (host: FleetHost) => readdirSync(join(host.app, 'releases')).sort()
const isVerified = ({ app }: FleetHost, id: string) =>
  existsSync(join(app, 'releases', id, '.gapless', 'verified.json'))
/** Newest first. */
const goodEverywhere = () =>
  releasesOf(fleet.hosts[0]!)
    .filter((id) => fleet.hosts.every((host) => isVerified(host, id)))
    .reverse()

withHosts(
  'a first deploy brings the same release to all',
  async () => {
    const result = await run(first)
    expectRun(result, { status: 'live', 'previous-release': '' })
    expect(current()).toEqual(everywhere(result.outputs['release']))
    expect(result.outputs['live-release']).toBe(result.outputs['release'])
    expect(await messages()).toEqual(everywhere('first'))
    expect(result.summary.match(/^\| build \|/gm)).toHaveLength(1)
    for (const { address } of fleet.hosts) {
      for (const phase of ['connect', 'upload', 'verify', 'swap', 'reload', 'health-check', 'cleanup']) {
        expect(result.summary).toContain(`| ${phase} | ${address} | ✅ |`)
      }
    }
  },
  300_000,
)

describe('a redeploy', () => {
  withHosts(
    'goes to the canary first, then to the others, and loses no request anywhere',
    async () => {
      const before = current()[0]
      const result = await visited(() => run(second))
      expectRun(result, { status: 'live', 'previous-release': before })
      expect(current()).toEqual(everywhere(result.outputs['release']))
      expect(await messages()).toEqual(everywhere('second'))
      expect(result.summary).toMatch(/\*\*Slowest host:\*\* \S+ took [\d.]+ s[,;] /)
      const swaps = [...result.summary.matchAll(/^\| (swap|health-check) \| (\S+) \|/gm)]
      expect(swaps.map(([, phase, host]) => `${phase} ${host}`)).toEqual(
        fleet.hosts.flatMap(({ address }) => [`swap ${address}`, `health-check ${address}`]),
      )
    },
    90_000,
  )

  thorough(
    'that throws at boot is found out before anything is swapped anywhere',
    async () => {
      const before = current()
      const broken = sabotage(second.copyBuilt(), `throw new Error('boom')`)
      try {
        const result = await visited(() => run(broken))
        expectRun(result, { status: 'kept', 'live-release': before[0] })
        expect(result.summary).toContain('candidate-died')
        expect(result.summary).not.toContain('| swap |')
        expect(current()).toEqual(before)
      } finally {
        broken.remove()
      }
    },
    90_000,
  )

  thorough(
    'that dies on the second host alone is taken back on the first',
    async () => {
      const before = current()
      const broken = dyingWhereMarked(second)
      try {
        const result = await visited(() => whileMarked(fleet.hosts[1]!, () => run(broken)))
        expectRun(result, { status: 'restored', 'live-release': before[0], 'previous-release': before[0] })
        expect(result.summary).toContain(`${fleet.hosts[1]!.address}: `)
        expect(result.summary).toContain('not on this host')
        expect(result.summary).toContain(`| rollback | ${fleet.hosts[0]!.address} | ✅ |`)
        expect(result.summary).not.toContain(`| swap | ${fleet.hosts[2]!.address} |`)
        expect(current()).toEqual(before)
        expect(await messages()).toEqual(everywhere('second'))
        // What was live for a moment is no release to go back to.
        for (const host of fleet.hosts) expect(isVerified(host, result.outputs['release']!)).toBe(false)
      } finally {
        broken.remove()
      }
    },
    120_000,
  )

  withHosts(
    'stops before anything is sent when a host cannot be reached',
    async () => {
      const [before, cut] = [current(), fleet.hosts[2]!]
      const known = fleet.hosts.map(releasesOf)
      cut.network.cutOff()
      try {
        const result = await visited(
          () => run(first, { 'connect-timeout': '4s' }),
          fleet.hosts.filter((host) => host !== cut),
        )
        expectRun(result, { status: 'kept' })
        expect(result.summary).toContain(`| connect | ${cut.address} | ❌ |`)
        expect(result.summary).not.toContain('| build |')
      } finally {
        cut.network.mend()
      }
      expect(current()).toEqual(before)
      expect(fleet.hosts.map(releasesOf)).toEqual(known)
    },
    60_000,
  )

  thorough(
    'switches all the others at once with a batch of 100%',
    async () => {
      const result = await visited(() => run(first, { batch: '100%' }))
      expectRun(result, { status: 'live' })
      expect(await messages()).toEqual(everywhere('first'))
      expect(current()).toEqual(everywhere(result.outputs['release']))
      expectRun(await run(second), { status: 'live' })
    },
    120_000,
  )
})

describe('a runner that is killed between two hosts', () => {
  thorough(
    'leaves it to the next run to make them equal',
    async () => {
      const before = current()[0]
      const killed = await visited(() =>
        deployUntil(fleet, first, { host: fleet.hosts[0]!, step: 'health-check' }, (kill) => kill('SIGKILL')),
      )
      expect(killed.outputs['status']).toBeUndefined()
      await until(
        'the first host ends it by itself',
        async () => (await messageOn(fleet.hosts[0]!)) === 'first',
      )
      expect(current().slice(1)).toEqual([before, before])
      // Found, and said, by a run that itself goes nowhere.
      const broken = sabotage(second.copyBuilt(), `throw new Error('boom')`)
      try {
        const result = await visited(() => run(broken))
        expectRun(result, { status: 'kept', 'live-release': before })
        expect(result.summary).toMatch(
          new RegExp(
            `\\| recover \\| ${fleet.hosts[0]!.address} \\| ✅ \\|.* stopped between the hosts .*${before}`,
          ),
        )
      } finally {
        broken.remove()
      }
      expect(current()).toEqual(everywhere(before))
      expect(await messages()).toEqual(everywhere('second'))
    },
    180_000,
  )

  thorough.each(['reload', 'health-check'])(
    'leaves it to post to make them equal (killed at %s of the second)',
    async (step) => {
      const before = current()[0]
      const killed = await deployUntil(fleet, first, { host: fleet.hosts[1]!, step: step }, (kill) =>
        kill('SIGKILL'),
      )
      const post = await visited(() => run(first, {}, { step: 'post', state: killed.state }))
      expectRun(post, { status: 'restored', 'live-release': before })
      expect(post.summary).toContain('was interrupted')
      expect(post.summary).toContain('stopped between the hosts')
      expect(current()).toEqual(everywhere(before))
      expect(await messages()).toEqual(everywhere('second'))
    },
    180_000,
  )

  thorough(
    'in the middle of the way back',
    async () => {
      const before = current()[0]
      const broken = dyingWhereMarked(second)
      try {
        const [canary, dying] = [fleet.hosts[0]!, fleet.hosts[1]!]
        const killed = await whileMarked(dying, () =>
          deployUntil(fleet, broken, { host: canary, step: 'swap', times: 2 }, (kill) => kill('SIGKILL')),
        )
        const post = await visited(() => run(broken, {}, { step: 'post', state: killed.state }))
        expectRun(post, { status: 'restored', 'live-release': before })
        expect(current()).toEqual(everywhere(before))
        expect(await messages()).toEqual(everywhere('second'))
      } finally {
        broken.remove()
      }
    },
    180_000,
  )
})

describe('a host that loses its network in mid-deploy', () => {
  thorough(
    'and comes back is waited for',
    async () => {
      const host = fleet.hosts[1]!
      const result = await visited(
        () =>
          deployUntil(fleet, first, { host: host, step: 'reload' }, async () => {
            host.network.cutOff()
            host.sshd.dropConnections()
            const ended = journalOf(host).length
            await until(
              'it goes on by itself',
              () => journalOf(host).slice(ended).includes('"verdict"'),
              60_000,
            )
            host.network.mend()
          }),
        fleet.hosts.filter((one) => one !== host),
      )
      expectRun(result, { status: 'live' })
      expect(result.log).toContain(`${host.address}: the connection is back`)
      expect(await messages()).toEqual(everywhere('first'))
    },
    150_000,
  )

  thorough(
    'for good is told, and the others are taken back',
    async () => {
      const [before, host] = [current()[0], fleet.hosts[1]!]
      const others = fleet.hosts.filter((one) => one !== host)
      try {
        const result = await visited(
          () => deployUntil(fleet, second, { host: host, step: 'reload' }, () => host.network.cutOff()),
          others,
        )
        expectRun(result, { status: 'down' })
        expect(result.summary).toContain(`| ${host.address} | down | unknown |`)
        for (const { address } of others)
          expect(result.summary).toMatch(new RegExp(`\\| ${address} \\| (restored|kept) \\| ${before} \\|`))
      } finally {
        host.network.mend()
      }
      expect(await Promise.all(others.map(messageOn))).toEqual(['first', 'first'])
      // It went live there by itself, unseen; the next run brings it back to what the others have.
      expect(await messageOn(host)).toBe('second')
      const next = await visited(() => run(second))
      expectRun(next, { status: 'live', 'previous-release': before })
      expect(next.summary).toContain(`| recover | ${host.address} | ✅ |`)
      expectRun(await run(first), { status: 'live' })
    },
    400_000,
  )
})

thorough(
  'two runs at the same time go one after the other, and neither takes the other for dead',
  async () => {
    let other: Promise<RunResult> | undefined
    const one = await visited(() =>
      deployUntil(fleet, second, { host: fleet.hosts[1]!, step: 'reload' }, () => void (other = run(first))),
    )
    expectRun(one, { status: 'live' })
    const two = (await other)!
    expectRun(two, { status: 'live', 'previous-release': one.outputs['release'] })
    expect(two.log).toContain('waiting for')
    expect(two.summary).not.toContain('| recover |')
    expect(current()).toEqual(everywhere(two.outputs['release']))
    expect(await messages()).toEqual(everywhere('first'))
  },
  180_000,
)

describe('a rollback', () => {
  thorough(
    'goes to the newest release that was good on all, and loses no request',
    async () => {
      const [before, wanted] = goodEverywhere()
      expect(current()).toEqual(everywhere(before))
      const result = await visited(() => run(first, { command: 'rollback' }))
      expectRun(result, { status: 'live', 'previous-release': before, release: wanted })
      expect(current()).toEqual(everywhere(wanted))
      expect(new Set(await messages()).size).toBe(1)
    },
    120_000,
  )

  thorough(
    'goes to the release that was asked for',
    async () => {
      const wanted = goodEverywhere()[0]!
      const result = await visited(() => run(first, { command: 'rollback', release: wanted }))
      expectRun(result, { status: 'live', release: wanted })
      expect(current()).toEqual(everywhere(wanted))
    },
    120_000,
  )

  thorough(
    'passes over what a host has missed, and says so',
    async () => {
      // The third misses two deploys, and is brought to the same release by the next.
      const [one, two, three] = fleet.hosts
      const some = { host: [one!, two!].map(({ address }) => address).join('\n') }
      const common = goodEverywhere()[0]!
      const missed = (await run(second, some)).outputs['release']!
      expectRun(await run(first, some), { status: 'live' })
      expect(current()[2]).toBe(common)
      const refused = await run(first, { command: 'rollback', release: missed })
      expectRun(refused, { status: 'kept' })
      expect(refused.summary).toContain('unknown-release')
      expect(refused.summary).toContain(` on ${three!.address}`)
      const equal = await run(second)
      expectRun(equal, { status: 'live' })
      // Hosts that are merely behind are no reason to take back the others.
      expect(equal.summary).not.toContain('| recover |')
      expect(current()).toEqual(everywhere(equal.outputs['release']))
      expect(await messages()).toEqual(everywhere('second'))
      const back = await run(first, { command: 'rollback' })
      expectRun(back, { status: 'live', release: common })
      expect(current()).toEqual(everywhere(common))
    },
    300_000,
  )
})

withHosts(
  'status tells about all',
  async () => {
    const result = await run(first, { command: 'status' })
    expectRun(result, { status: 'live', 'live-release': current()[0] })
    expect(result.summary).toContain('on all 3 hosts')
    for (const { address } of fleet.hosts) {
      expect(result.summary).toContain(`| status | ${address} | ✅ |`)
      expect(result.summary).toContain(`| ${address} | live | ${current()[0]} |`)
      expect(result.summary).toContain(`Release on ${address}`)
    }
  },
  60_000,
)
