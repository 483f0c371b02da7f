import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { buildOfExample } from '../support/builds.ts'
import { daemonPid } from '../support/daemon-pid.ts'
import { ill, visit, type Visitors } from '../support/ill-release.ts'
import { quick, runAction, type RunOptions, type RunResult } from '../support/runner.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'
import { sabotage, type Workspace } from '../support/workspace.ts'

/** Real traffic on a release on probation: what it takes back, and what it leaves alone. */

const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? test : test.skip

let server: TestServer
let workspace: Workspace
let visitors: Visitors
let good: string

/** Of the last activation that touched anything. */
const journal = () => {
  const text = readFileSync(join(server.app, '.gapless/journal.jsonl'), 'utf8')
  return text.slice(text.lastIndexOf('"swap","state":"begin"'))
}

const deploy = (
  from: Workspace,
  inputs: Record<string, string> = {},
  options: Partial<RunOptions> = {},
): Promise<RunResult> =>
  runAction({ workspace: from.path, inputs: { ...server.inputs, ...quick, ...inputs }, ...options })

beforeAll(async () => {
  workspace = await buildOfExample('first')
  server = await startServer()
  const first = await deploy(workspace)
  if (first.code !== 0) throw new Error(first.log)
  good = first.outputs['release']!
  visitors = visit(server.url)
  await until('the good release has answered', () => visitors.statuses.length >= 60)
}, 240_000)
afterAll(async () => {
  await visitors?.stop()
  await server?.stop()
  workspace?.remove()
}, 60_000)

test('a release whose visitors get errors is taken back, with both shares as evidence', async () => {
  const from = ill(workspace, 0.5)
  try {
    const run = await deploy(from, { watch: '40s' })
    expect([run.code, run.outputs['status'], run.outputs['live-release']]).toEqual([1, 'restored', good])
    expect(server.current()).toBe(good)
    for (const text of ['traffic-worse', 'before: 0 of', '/api/release', 'the shop is on fire', '| watch |'])
      expect(run.summary).toContain(text)
    expect(run.summary).not.toContain('token=hidden')
    expect(visitors.broken).toEqual([])
  } finally {
    from.remove()
  }
}, 120_000)

test('a canary whose visitors get errors is taken back, compared with the other worker', async () => {
  const from = ill(workspace, 1)
  const before = visitors.statuses.length
  try {
    const run = await deploy(from, { canary: '5m' })
    expect([run.code, run.outputs['status'], run.outputs['live-release']]).toEqual([1, 'restored', good])
    for (const text of ['traffic-worse', 'before: 0 of', '/api/release', 'the shop is on fire', '| canary |'])
      expect(run.summary).toContain(text)
    expect([server.current(), visitors.broken]).toEqual([good, []])
    const seen = visitors.statuses.slice(before)
    expect(seen.filter((status) => status >= 500).length / seen.length).toBeLessThan(0.5)
  } finally {
    from.remove()
  }
}, 120_000)

thorough(
  'a release stays that answers 404, and whose clients give up',
  async () => {
    const run = await deploy(workspace, { watch: '12s' })
    expect([run.code, run.outputs['status']]).toEqual([0, 'live'])
    expect(run.log).toMatch(/watch: \d+ requests, 0\.0% failed, p95 .*; the release before: \d+ requests, /)
    expect(visitors.broken).toEqual([])
    good = run.outputs['release']!
  },
  120_000,
)

thorough(
  'the server goes on watching when the runner dies; post and the next run say so',
  async () => {
    const from = ill(workspace, 0.5, 14_000)
    try {
      const run = await deploy(
        from,
        { watch: '60s' },
        {
          onStart: (child) =>
            void until('it is on probation', () => server.current() !== good, 60_000)
              .then(() => delay(3000))
              .then(() => child.kill('SIGKILL')),
        },
      )
      expect(run.code).not.toBe(0)
      const post = await deploy(from, { watch: '60s' }, { step: 'post', state: run.state })
      expect(post.outputs).toMatchObject({ status: 'live', 'live-release': server.current() })
      expect(post.summary).toContain('on probation: the server goes on watching')
      await until('the server takes it back', () => server.current() === good, 90_000)
      await until(
        'the verdict is there',
        () =>
          readFileSync(join(server.app, '.gapless/journal.jsonl'), 'utf8')
            .trimEnd()
            .split('\n')
            .at(-1)!
            .includes('"detail":"restored"'),
        60_000,
      )
      const status = await deploy(workspace, { command: 'status', 'app-name': 'next-app' })
      expect(status.log).toMatch(/was taken back at .*, and ended restored: /)
    } finally {
      from.remove()
    }
  },
  180_000,
)

thorough(
  'a newer deploy ends the watch',
  async () => {
    const first = deploy(workspace, { watch: '5m' })
    const before = server.current()
    await until('it serves', () => server.current() !== before, 60_000)
    await delay(5000)
    const second = await deploy(workspace)
    expect([second.code, second.outputs['status']]).toEqual([0, 'live'])
    const run = await first
    expect([run.code, run.outputs['status']]).toEqual([0, 'live'])
    expect(run.summary).toContain('another activation began')
  },
  180_000,
)

thorough.each(['1', '3'])(
  'a release is taken back from %s workers',
  async (instances) => {
    const base = await deploy(workspace, { instances })
    good = base.outputs['release']!
    const from = ill(workspace, 0.5, 4000)
    try {
      const run = await deploy(from, { instances, watch: '2m' })
      expect([base.code, run.code, run.outputs['status'], server.current()]).toEqual([0, 1, 'restored', good])
      expect(visitors.broken).toEqual([])
    } finally {
      from.remove()
    }
  },
  240_000,
)

thorough(
  'a release that leaks is taken back when PM2 restarts a worker of it',
  async () => {
    const limits = { instances: '1', 'max-memory': '400M' }
    const base = await deploy(workspace, limits)
    good = base.outputs['release']!
    const from = sabotage(
      workspace.copyBuilt(),
      `if (process.env.pm_id !== undefined)
      setTimeout(() => { globalThis.leak = Buffer.alloc(450e6, 1) }, 6000)`,
    )
    try {
      const run = await deploy(from, { ...limits, watch: '3m' })
      expect([base.code, run.code, run.outputs['status'], server.current()]).toEqual([0, 1, 'restored', good])
      expect(run.summary).toContain('restarted or exited while the release was on probation')
    } finally {
      from.remove()
    }
  },
  300_000,
)

thorough(
  'a release that is as ill as the one before stays, with a warning',
  async () => {
    const from = ill(workspace, 0.3)
    try {
      const first = await deploy(from)
      const answered = visitors.statuses.length
      await until('it has answered', () => visitors.statuses.length - answered >= 300, 60_000)
      const run = await deploy(from, { watch: '20s' })
      expect([first.code, run.code, run.outputs['status']]).toEqual([0, 0, 'live'])
      expect(run.log).toContain('The release stays, but answers fail')
      // The next deploy says how it has done.
      const next = await deploy(workspace)
      good = next.outputs['release']!
      expect(next.summary).toMatch(/so far: \d+ requests, \d\d\.\d% failed, .*, 0 restarts/)
    } finally {
      from.remove()
    }
  },
  240_000,
)

thorough(
  'a rollback by hand ends the watch',
  async () => {
    const before = server.current()
    const watched = deploy(workspace, { watch: '5m' })
    await until('it is on probation', () => journal().includes('"probation":{'), 60_000)
    const back = await deploy(workspace, { command: 'rollback', 'app-name': 'next-app' })
    expect([back.code, back.outputs['status'], server.current()]).toEqual([0, 'live', before])
    const run = await watched
    expect([run.code, run.outputs['status']]).toEqual([0, 'live'])
    expect(run.summary).toContain('another activation began')
  },
  240_000,
)

thorough.each([
  ['stays', 'well', 'live'],
  ['is taken back', 'ill', 'restored'],
])(
  'a release %s that is %s, though the PM2 daemon dies while it is on probation',
  async (_, health, status) => {
    const from = health === 'ill' ? ill(workspace, 0.5, 12_000) : workspace.copyBuilt()
    good = server.current()!
    const broken = visitors.broken.length
    try {
      const watched = deploy(from, { watch: '25s' })
      await until('it is on probation', () => journal().includes('"probation":{'), 60_000)
      process.kill(daemonPid(server), 'SIGKILL')
      const run = await watched
      expect(run.outputs['status']).toBe(status)
      expect(server.current()).toBe(status === 'restored' ? good : run.outputs['release'])
      // Those inside the moment of its death.
      const lost = visitors.broken.length
      expect(lost - broken).toBeLessThanOrEqual(10)
      const next = await deploy(workspace)
      expect([next.code, next.outputs['status'], visitors.broken.length]).toEqual([0, 'live', lost])
    } finally {
      from.remove()
    }
  },
  240_000,
)
