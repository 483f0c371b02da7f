import { describe, expect, test } from '@jest/globals'
import type { Host } from '../../src/hosts/host.ts'
import { settled } from '../../src/phases/settled.ts'
import { createPipeline } from '../../src/pipeline.ts'
import type { Plan } from '../../src/plan.ts'
import { silentLog } from '../support/log.ts'

type Seen = { readonly live: string | null; readonly lock: string | null; readonly canary?: string }
const [before, now] = ['20261120000000', '20261121000000']

/** A host that tells, one after the other, what is true of it; then it stays as it is. */
function hostThat(name: string, ...truths: readonly Seen[]): Host & { asked(): number } {
  let asked = 0
  const truth = () => ({ canary: null, ...truths[Math.min(asked, truths.length - 1)] })
  const facts = truth()
  const inspect = async () => {
    asked += 1
    return truth()
  }
  return {
    name,
    facts,
    agent: () => ({ call: inspect }),
    asked: () => asked,
  } as unknown as Host & { asked(): number }
}

function settle(hosts: readonly Host[], lockTimeoutMs = 10_000) {
  const lines: string[] = []
  const pipeline = createPipeline({ ...silentLog, info: (line) => void lines.push(line) })
  const plan = { inputs: { 'lock-timeout': lockTimeoutMs, 'max-parallel': 10 } } as unknown as Plan
  return settled(plan, hosts, pipeline).then((facts) => ({ lives: facts.map(({ live }) => live), lines }))
}

describe('hosts are compared only when nobody is at work on them:', () => {
  test('where all is quiet and alike, at once', async () => {
    const hosts = [hostThat('a', { live: now, lock: null }), hostThat('b', { live: now, lock: null })]
    expect(await settle(hosts)).toEqual({ lives: [now, now], lines: [] })
    expect(hosts.map((host) => host.asked())).toEqual([0, 0])
  })

  test('another run is waited for, from its first host to its last', async () => {
    const hosts = [
      hostThat('a', { live: before, lock: 'run 7' }, { live: now, lock: null }),
      hostThat(
        'b',
        { live: before, lock: null },
        { live: before, lock: null },
        { live: before, lock: 'run 7' },
        { live: now, lock: null },
      ),
    ]
    expect(await settle(hosts)).toEqual({ lives: [now, now], lines: ['waiting for the lock, held by run 7'] })
  })

  test('a canary is not waited for: it ends where another deploy waits', async () => {
    const hosts = [
      hostThat('a', { live: now, lock: 'run 7', canary: before }),
      hostThat('b', { live: now, lock: null }),
    ]
    expect(await settle(hosts)).toEqual({ lives: [now, now], lines: [] })
  })

  test('hosts that stay different although nobody is at work are told apart', async () => {
    const hosts = [hostThat('a', { live: now, lock: null }), hostThat('b', { live: before, lock: null })]
    expect((await settle(hosts)).lives).toEqual([now, before])
  })

  test('it does not wait for ever', async () => {
    const hosts = [hostThat('a', { live: now, lock: 'run 7' }), hostThat('b', { live: now, lock: null })]
    expect(await settle(hosts, 100)).toEqual({
      lives: [now, now],
      lines: ['waiting for the lock, held by run 7'],
    })
  })
})
