import { rmSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { endDaemon } from '../../src/agent/pm2/end-daemon.ts'
import { startTimeOf } from '../../src/common/process-identity.ts'
import { readWorkers } from '../../src/agent/pm2/workers.ts'
import type { WorkerRecord } from '../../src/worker/worker-record.ts'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { compile } from '../support/compile.ts'
import { temporaryFolders } from '../support/folder.ts'
import { until } from '../support/until.ts'
import { ask, type FakeRelease, makeRelease, openConnection } from './fake-release.ts'
import { type RealPm2, realPm2, startApp } from './real-pm2.ts'

/** Promise 7: what serves outlives what supervises. PM2's daemon dies by SIGKILL, under load. */
const all = process.env['GAPLESS_TEST_ALL'] === '1'
const kinds: readonly (readonly [node: string, pm2: string, workers: number])[] = all
  ? ['18', '20', '22', '24'].flatMap((node) =>
      ['pm2', 'pm2-6', 'pm2-5'].flatMap((pm2) => [1, 2, 4].map((workers) => [node, pm2, workers] as const)),
    )
  : [['current', 'pm2', 2]]

const folder = temporaryFolders()
let compiled: string
let pm2: RealPm2
let release: FakeRelease

beforeAll(() => {
  compiled = compile()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))
afterEach(async () => {
  await pm2.run('kill').catch(() => undefined)
  for (const { pid } of await records()) process.kill(pid, 'SIGKILL')
})

const records = () => readWorkers(join(release.app, '.gapless/workers'))
const pidsOf = (workers: readonly WorkerRecord[]) => workers.map(({ pid }) => pid).sort((a, b) => a - b)

async function serving(node: string, name: string, workers: number): Promise<readonly number[]> {
  const own = folder()
  release = await makeRelease(own, compiled, {})
  pm2 = realPm2(own, node === 'current' ? process.execPath : nodeBinary(node), name)
  await startApp(pm2, release, workers)
  const open = await inPhase('open', workers)
  await pm2.run('save')
  return pidsOf(open)
}

function inPhase(phase: WorkerRecord['phase'], count: number): Promise<readonly WorkerRecord[]> {
  return until(
    `${count} workers are ${phase}`,
    async () => {
      const found = (await records()).filter((record) => record.phase === phase)
      return found.length === count ? found : null
    },
    30_000,
  )
}

interface Visits {
  readonly answered: () => number
  /** @returns what failed */
  stop(): Promise<readonly string[]>
}

/** Visitors on new connections, and on ones that they keep, which never try again. */
function visit(): Visits {
  const failures: string[] = []
  const begun = performance.now()
  let answered = 0
  let over = false
  const visitor = async (agent: http.Agent | false) => {
    while (!over) {
      await ask(release.port, '/', agent).then(
        () => (answered += 1),
        (error: Error) => failures.push(`${Math.round(performance.now() - begun)} ms: ${error.message}`),
      )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  const kept = () => new http.Agent({ keepAlive: true, maxSockets: 1 })
  const visitors = [false as const, false as const, false as const, kept(), kept()].map(visitor)
  return {
    answered: () => answered,
    async stop() {
      over = true
      await Promise.all(visitors)
      return failures
    },
  }
}

async function more(visits: Visits, count: number): Promise<void> {
  const before = visits.answered()
  await until(`${count} more answers`, () => visits.answered() >= before + count, 30_000)
}

describe.each(kinds)('on Node %s, %s, %i workers', (node, name, workers) => {
  test('the workers outlive the daemon, and those of the next one take over without a gap', async () => {
    const before = await serving(node, name, workers)
    const death = visit()
    await more(death, 200)
    await pm2.killDaemon()
    await more(death, 500)
    const lost = await death.stop()
    expect(lost.length).toBeLessThanOrEqual(10)
    expect(lost.filter((failure) => failure.includes('ECONNREFUSED'))).toEqual([])
    const orphans = await records()
    expect(pidsOf(orphans)).toEqual(before)
    for (const { phase, orphaned, pid } of orphans) {
      expect(phase).toBe('open')
      expect(pidsOf(orphans.filter((other) => other.pid !== pid))).toEqual(
        [...(orphaned?.beside ?? [])].sort((a, b) => a - b),
      )
    }

    const takeover = visit()
    await pm2.run('resurrect')
    const after = await until(
      'the orphans have left',
      async () => {
        const found = await records()
        return found.length === workers && found.every(({ orphaned }) => orphaned === null) ? found : null
      },
      60_000,
    )
    await more(takeover, 200)
    expect(await takeover.stop()).toEqual([])
    expect(pidsOf(after)).toEqual([...(await pm2.online())].sort((a, b) => a - b))
    for (const pid of before) expect(startTimeOf(pid)).toBeNull()

    // From here on everything is as it was: a reload, and the next death.
    const reload = visit()
    await pm2.run('reload', 'app')
    await until('the old workers have left', async () => (await records()).length === workers, 60_000)
    expect(await reload.stop()).toEqual([])
    const again = visit()
    await more(again, 100)
    await pm2.killDaemon()
    await more(again, 300)
    const lostAgain = await again.stop()
    expect(lostAgain.length).toBeLessThanOrEqual(10)
    expect(lostAgain.filter((failure) => failure.includes('ECONNREFUSED'))).toEqual([])
    expect(await records()).toHaveLength(workers)
    process.stderr.write(
      `Node ${node}, ${name}, ${workers} workers: ${lost.length} failed\n${lost.join('\n')}\n`,
    )
  }, 180_000)

  test('a daemon that is ended on purpose costs nothing, nor does a worker that comes later', async () => {
    await serving(node, name, workers)
    await pm2.run('reload', 'app')
    await until('the old workers have left', async () => (await records()).length === workers, 60_000)
    const visits = visit()
    await more(visits, 200)
    await endDaemon(pm2.daemon())
    await more(visits, 300)
    expect(await visits.stop()).toEqual([])
    expect((await records()).every(({ orphaned }) => orphaned !== null)).toBe(true)
  }, 90_000)

  test('an orphan that is told to leave answers who is inside, and the others go on', async () => {
    await serving(node, name, workers)
    await pm2.killDaemon()
    const orphans = await until('they listen', async () => {
      const found = await records()
      const known = found.every(({ orphaned }) => orphaned !== null)
      return known && (await ask(release.port, '/').catch(() => null)) !== null ? found : null
    })
    const inside = await Promise.all(
      Array.from({ length: 2 * workers }, async () => {
        const connection = await openConnection(release.port)
        return { connection, answer: connection.get('/slow') }
      }),
    )
    const visits = visit()
    await more(visits, 50)
    for (const { pid } of orphans.slice(1)) process.kill(pid, 'SIGTERM')
    const [last] = orphans
    await until('only one takes traffic', async () => {
      const open = (await records()).filter(({ phase }) => phase === 'open')
      return open.length === 1 && open[0]!.pid === last!.pid
    })
    await more(visits, 50)
    expect(await visits.stop()).toEqual([])
    process.kill(last!.pid, 'SIGINT')
    release.raise('answer')
    for (const { answer } of inside) expect(await answer).toMatch(/200 OK[^]*answered/)
    await until('all have left', async () => (await records()).length === 0)
  }, 90_000)

  const thorough = all ? test : test.skip
  thorough.each([
    ['`kill -9` and `pm2 resurrect`', async () => pm2.killDaemon().then(() => pm2.run('resurrect'))],
    ['`pm2 update`', async () => pm2.run('update')],
    ['`pm2 kill` and `pm2 resurrect`', async () => pm2.run('kill').then(() => pm2.run('resurrect'))],
  ])(
    '%s leaves the workers of one daemon',
    async (what, replace) => {
      await serving(node, name, workers)
      const visits = visit()
      await more(visits, 100)
      const before = performance.now()
      await replace()
      await until(
        'the workers serve',
        async () => {
          const found = await records()
          return (
            found.length === workers && found.every(({ phase, orphaned }) => phase === 'open' && !orphaned)
          )
        },
        60_000,
      )
      const took = Math.round(performance.now() - before)
      const lost = await visits.stop()
      process.stderr.write(
        `Node ${node}, ${name}, ${workers} workers: ${what} took ${took} ms: ` +
          `${lost.length} failed, ${visits.answered()} answered\n`,
      )
      if (what.includes('-9')) expect(lost.length).toBeLessThanOrEqual(10)
    },
    90_000,
  )
})
