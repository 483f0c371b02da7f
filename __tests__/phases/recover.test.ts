import { expect, test } from '@jest/globals'
import type { Host } from '../../src/hosts/host.ts'
import { recover } from '../../src/phases/recover.ts'
import { createPipeline } from '../../src/pipeline.ts'
import type { Plan } from '../../src/plan.ts'
import { keptVerdict } from '../../src/protocol/messages.ts'
import { releaseSummary } from '../report/outcomes.ts'
import { silentLog } from '../support/log.ts'

const [old, before, after] = ['20260101000000', '20260101000001', '20260101000002'] as const

interface Server {
  readonly live: string
  /** Every release that the server has, and whether it was shown to serve there. */
  readonly releases: Readonly<Record<string, boolean>>
  /** An activation without a verdict, and the release that the server ends it with. */
  readonly interrupted?: string
}

/** Recovers these servers. @returns what is current on each, and the rows */
async function recovered(...servers: readonly Server[]) {
  const current = servers.map(({ live }) => live)
  const hosts = servers.map(({ releases, interrupted }, index) => {
    const call = async (operation: string, { release }: { release: string }) => {
      const live = current[index]!
      if (operation === 'releases')
        return {
          releases: Object.entries(releases).map(([id, served]) =>
            releaseSummary({
              id,
              live: id === live,
              activatedAt: served ? '2026-01-01T00:00:00.000Z' : null,
            }),
          ),
        }
      if (operation === 'activate') current[index] = release
      if (operation === 'watch') current[index] = interrupted!
      if (operation === 'inspect') return facts()
      return { ...keptVerdict(current[index]!, null), status: 'live', previous: live }
    }
    const facts = () => ({
      live: current[index],
      serving: current[index],
      lock: null,
      canary: null,
      interrupted: interrupted === undefined ? null : 'an-activation',
    })
    return { name: `host-${index}`, facts: facts(), agent: () => ({ call }) } as unknown as Host
  })
  const plan = { inputs: { run: null, 'lock-timeout': 0, 'max-parallel': 2 } } as unknown as Plan
  const pipeline = createPipeline(silentLog)
  const live = await recover(plan, hosts, pipeline)
  return { live, current, rows: pipeline.rows }
}

test('hosts that a run left between two releases go back to the one that served on all', async () => {
  const { live, current, rows } = await recovered(
    { live: after, releases: { [old]: true, [before]: true, [after]: true } },
    { live: before, releases: { [old]: true, [before]: true, [after]: false } },
  )
  expect({ live, current }).toEqual({ live: before, current: [before, before] })
  expect(rows).toMatchObject([{ phase: 'recover', host: 'host-0', state: 'ok' }])
  expect(rows[0]?.detail).toContain(before)
})

test('a host that lacks the release of another has missed a deploy, and is no reason to take back the other', async () => {
  const { live, current, rows } = await recovered(
    { live: after, releases: { [before]: true, [after]: true } },
    { live: before, releases: { [before]: true } },
  )
  expect({ live, current, rows }).toEqual({ live: null, current: [after, before], rows: [] })
})

test('hosts that are equal stay as they are', async () => {
  const releases = { [before]: true, [after]: true }
  const { live, rows } = await recovered({ live: after, releases }, { live: after, releases })
  expect({ live, rows }).toEqual({ live: after, rows: [] })
})

test('an interrupted activation is ended first, and what it ended with counts', async () => {
  const releases = { [before]: true, [after]: true }
  const { live, current } = await recovered(
    { live: after, releases, interrupted: before },
    { live: before, releases },
  )
  expect({ live, current }).toEqual({ live: before, current: [before, before] })
})
