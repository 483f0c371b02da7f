import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { Failure } from '../../src/common/failure.ts'
import type { Host } from '../../src/hosts/host.ts'
import { nothingKnown } from '../../src/outcome.ts'
import { batches, rollOut } from '../../src/phases/roll-out-all-hosts.ts'
import { createPipeline } from '../../src/pipeline.ts'
import type { Plan } from '../../src/plan.ts'
import { type ActivationRequest, keptVerdict, type Verdict } from '../../src/protocol/messages.ts'
import { request } from '../agent/releases-on-disk.ts'
import { silentLog } from '../support/log.ts'

describe('the hosts swap', () => {
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
      cleanup: { removed: [], inUse: [], kept: [], written: [], leftTo: null, runtimes: [] },
    }
    const call = async (operation: string) => answers[operation]
    const hosts = ['a', 'b'].map((name) => ({ name, facts: {}, agent: () => ({ call }) }) as unknown as Host)
    const inputs = {
      'candidate-check': true,
      'max-parallel': 2,
      batch: { hosts: 2 },
      'health-check-url': null,
    }
    const warnings: string[] = []
    const pipeline = createPipeline({ ...silentLog, warning: (line) => void warnings.push(line) })
    const { succeeded } = await rollOut({ inputs } as unknown as Plan, hosts, pipeline, {
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

describe('three hosts', () => {
  const { release } = request
  const before = '20260101000000'
  const broken = new Failure('worker-died', 'A worker exited.').toRecord()
  const live: Verdict = { ...keptVerdict(release, null), status: 'live', previous: before }
  const restored: Verdict = { ...keptVerdict(before, broken), status: 'restored' }

  /** What a run asked of its hosts, in order: `a verify`. A restore is an activation of the release before. */
  async function deployOn({
    rejecting,
    ill,
    url = null,
  }: {
    readonly rejecting?: string
    readonly ill?: string
    readonly url?: string | null
  }) {
    const asked: string[] = []
    const answer = (host: string, operation: string, params: ActivationRequest) => {
      switch (operation) {
        case 'verify':
          if (host === rejecting) throw new Failure('candidate-died', 'The candidate exited.')
          return { bootMs: 1, status: 200, attempts: 1, movedPorts: [], notFound: '' }
        case 'activate':
          return host === ill && params.kind === 'deploy' ? restored : { ...live, live: params.release }
        default:
          return { removed: [], inUse: [], kept: [], written: [], leftTo: null, runtimes: [] }
      }
    }
    const hosts = ['a', 'b', 'c'].map((name) => {
      const call = async (operation: string, params: ActivationRequest) => {
        asked.push(`${name} ${operation === 'activate' ? params.kind : operation}`)
        return answer(name, operation, params)
      }
      return { name, facts: { serving: before }, agent: () => ({ call }) } as unknown as Host
    })
    const inputs = {
      'candidate-check': true,
      'max-parallel': 1,
      batch: { hosts: 1 },
      'health-check-url': url,
      runtime: { health: { timeoutMs: 1, intervalMs: 1, status: [[200, 399]], body: null } },
    }
    const target = { ...nothingKnown, release, replaces: null, kind: 'deploy' } as const
    const pipeline = createPipeline(silentLog)
    const ended = await rollOut({ inputs } as unknown as Plan, hosts, pipeline, target).catch(Failure.from)
    return { ended, asked }
  }
  const cleanup = ['a cleanup', 'b cleanup', 'c cleanup']
  const verify = ['a verify', 'b verify', 'c verify']
  const discard = ['a discard', 'b discard', 'c discard']

  test('verify, all of them, before the first one swaps', async () => {
    const { ended, asked } = await deployOn({})
    expect(ended).toMatchObject({ status: 'live' })
    expect(asked).toEqual([...verify, 'a deploy', 'b deploy', 'c deploy', ...cleanup])
  })

  test('swap nothing when one of them cannot verify the release, and all remove it', async () => {
    const { ended, asked } = await deployOn({ rejecting: 'c' })
    expect(ended).toMatchObject({ code: 'candidate-died' })
    expect(asked).toEqual([...verify, ...discard])
  })

  test('restore the previous release on the first when the second fails, and leave the third alone', async () => {
    const { ended, asked } = await deployOn({ ill: 'b' })
    expect(ended).toMatchObject({ status: 'restored', liveRelease: before })
    expect(asked).toEqual([...verify, 'a deploy', 'b deploy', 'a restore', ...discard, ...cleanup])
  })

  test('restore the previous release everywhere when the public URL is not healthy', async () => {
    const site = http.createServer((_, response) => response.writeHead(500).end()).listen(0, '127.0.0.1')
    await new Promise((resolve) => site.once('listening', resolve))
    try {
      const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`
      const { ended, asked } = await deployOn({ url })
      expect(ended).toMatchObject({ status: 'restored', failure: { code: 'public-url-unhealthy' } })
      expect(asked.filter((call) => call.endsWith('restore'))).toEqual([
        'a restore',
        'b restore',
        'c restore',
      ])
    } finally {
      site.close()
    }
  })
})
