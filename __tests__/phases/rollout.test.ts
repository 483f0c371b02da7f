import { describe, expect, test } from '@jest/globals'
import type { Host } from '../../src/hosts/host.ts'
import { nothingKnown } from '../../src/outcome.ts'
import { batches, bringLive } from '../../src/phases/rollout.ts'
import { createPipeline } from '../../src/pipeline.ts'
import type { Plan } from '../../src/plan.ts'
import { keptVerdict } from '../../src/protocol/messages.ts'
import { request } from '../agent/releases-on-disk.ts'
import { silentLog } from '../support/log.ts'

describe('the hosts switch', () => {
  const ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

  test.each([
    [{ hosts: 1 }, ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']],
    [{ hosts: 4 }, ['1', '2,3,4,5', '6,7,8,9', '10']],
    [{ percent: 25 }, ['1', '2,3,4', '5,6,7', '8,9,10']],
    [{ percent: 100 }, ['1', '2,3,4,5,6,7,8,9,10']],
  ])('the first alone, then %j at a time', (size, expected) => {
    expect(batches(ten, size).map(String)).toEqual(expected)
  })

  test('alone, where there is only one', () => {
    expect(batches([1], { percent: 50 })).toEqual([[1]])
  })
})

describe('files that the app looks for and the release lacks', () => {
  /** Two hosts whose release goes live, and what the logs of candidate and workers say. */
  async function deployWhere(candidate: string, workers: string) {
    const { release } = request
    const answers: Readonly<Record<string, object>> = {
      verify: { bootMs: 1, status: 200, attempts: 1, movedPorts: [], notFound: candidate },
      activate: { ...keptVerdict(release, null), status: 'live', notFound: workers },
      cleanup: { removed: [], inUse: [], kept: [], written: [], leftTo: null },
    }
    const call = async (operation: string) => answers[operation]
    const hosts = ['a', 'b'].map((name) => ({ name, facts: {}, agent: () => ({ call }) }) as unknown as Host)
    const inputs = { candidateCheck: true, maxParallel: 2, batch: { hosts: 2 }, health: {}, app: {} }
    const warnings: string[] = []
    const pipeline = createPipeline({ ...silentLog, warning: (line) => void warnings.push(line) })
    const { succeeded } = await bringLive({ inputs } as unknown as Plan, hosts, pipeline, {
      ...nothingKnown,
      release,
      replaces: null,
      kind: 'deploy',
      explain: (log) => (log.includes('lacks') ? `Add ${log.split('\n')[0]}.` : undefined),
    })
    const rows = pipeline.rows.filter(({ host }) => host === null).map(({ phase, detail }) => [phase, detail])
    return { succeeded, warnings, rows }
  }

  test('are warned of once the workers log them, and the summary says so', async () => {
    expect(await deployWhere('', 'lacks x')).toEqual({
      succeeded: true,
      warnings: ['Add lacks x.'],
      rows: [['health-check', 'Add lacks x.']],
    })
  })

  test('are not warned of twice', async () => {
    expect(await deployWhere('lacks x', 'lacks x')).toMatchObject({
      warnings: ['Add lacks x.'],
      rows: [['verify', 'Add lacks x.']],
    })
    expect((await deployWhere('lacks x', 'lacks y')).warnings).toEqual(['Add lacks x.', 'Add lacks y.'])
    expect(await deployWhere('', '')).toMatchObject({ warnings: [], rows: [] })
  })
})
