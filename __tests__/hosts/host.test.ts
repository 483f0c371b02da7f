import { describe, expect, test } from '@jest/globals'
import { assertDistinct, onEach } from '../../src/hosts/host.ts'
import { createPipeline, type Log } from '../../src/pipeline.ts'
import { Failure } from '../../src/common/failure.ts'
import type { ServerFacts } from '../../src/protocol/messages.ts'
import { failureOf } from '../support/failure.ts'
import { silentLog } from '../support/log.ts'

const hosts = ['a', 'b', 'c', 'd'].map((name) => ({ name }))

describe('on several hosts', () => {
  test('runs at most so many at once, and returns the results in the order of the hosts', async () => {
    let [working, most] = [0, 0]
    const results = await onEach(hosts, 2, createPipeline(silentLog), async ({ name }) => {
      working += 1
      most = Math.max(most, working)
      for (let turn = name === 'a' ? 20 : 1; turn > 0; turn -= 1) await Promise.resolve()
      working -= 1
      return name
    })
    expect(results).toEqual(['a', 'b', 'c', 'd'])
    expect(most).toBe(2)
  })

  test('does not stop for a failed host, and names it', async () => {
    const done: string[] = []
    const failing = onEach(hosts, 1, createPipeline(silentLog), async ({ name }) => {
      if (name === 'b') throw new Failure('disk-full', 'the disk is full', { remedy: 'Free some space.' })
      done.push(name)
    })
    expect(await failureOf(failing)).toMatchObject({
      code: 'disk-full',
      message: 'b: the disk is full',
      remedy: 'Free some space.',
    })
    expect(done).toEqual(['a', 'c', 'd'])
  })

  test('throws the first of several failures, with their number', async () => {
    const failing = onEach(hosts, 4, createPipeline(silentLog), async ({ name }) => {
      if (name !== 'a') throw new Failure('locked', 'busy')
    })
    expect((await failureOf(failing)).message).toBe('b: busy. 2 more hosts failed.')
  })

  test('names the host in rows and lines, and shares one log group among hosts', async () => {
    const lines: string[] = []
    const log: Log = {
      ...silentLog,
      info: (line) => void lines.push(line),
      warning: (line) => void lines.push(`warning: ${line}`),
      group: (title) => void lines.push(`> ${title}`),
      endGroup: () => void lines.push('<'),
    }
    const pipeline = createPipeline(log)
    await onEach(hosts.slice(0, 2), 2, pipeline, (_, host) =>
      host.run('verify', async () => {
        host.log.info('booting')
        return { value: null, detail: 'healthy' }
      }),
    )
    const timeless = lines.map((line) => line.replace(/\d+ ms\)$/, '… ms)'))
    expect(timeless).toEqual([
      '> verify',
      'a: booting',
      'b: booting',
      'a: healthy (verify: … ms)',
      'b: healthy (verify: … ms)',
      '<',
    ])
    expect(pipeline.rows.map(({ phase, host, detail }) => [phase, host, detail])).toEqual([
      ['verify', 'a', 'healthy'],
      ['verify', 'b', 'healthy'],
    ])
  })
})

test('refuses one server under two names', async () => {
  const host = (name: string, identity: string) => ({
    name,
    facts: { identity, path: '/home/deploy/apps/site' } as ServerFacts,
  })
  assertDistinct([host('web-1', 'a'), host('web-2', 'b')])
  const failure = await failureOf(() =>
    assertDistinct([host('web-1', 'a'), host('web-2', 'b'), host('10.0.0.1', 'a')]),
  )
  expect(failure).toMatchObject({
    code: 'same-host',
    message: '"web-1" and "10.0.0.1" are the same folder "/home/deploy/apps/site" of one server.',
  })
})
