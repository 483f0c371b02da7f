import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { createPipeline, type Log, type Row } from '../src/pipeline.ts'
import { Failure } from '../src/common/failure.ts'
import { failureOf } from './support/failure.ts'
import { silentLog } from './support/log.ts'

function listen(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = []
  const log = {
    ...silentLog,
    info: (line: string) => void lines.push(line),
    warning: (line: string) => void lines.push(`warning: ${line}`),
    group: (title: string) => void lines.push(`> ${title}`),
    endGroup: () => void lines.push('<'),
  }
  return { log, lines }
}

describe('a phase', () => {
  test('hands its value on, and leaves a row of what it did and how long it took', async () => {
    const { log, lines } = listen()
    const pipeline = createPipeline(log)
    const before = Date.now()
    const value = await pipeline.run('upload', async () => {
      await delay(20)
      return { value: 42, detail: 'sent 2 files' }
    })
    expect(value).toBe(42)
    const [row] = pipeline.rows
    expect(row).toMatchObject({ phase: 'upload', state: 'ok', detail: 'sent 2 files' })
    expect(row!.durationMs).toBeGreaterThanOrEqual(19)
    expect(row!.startedAt).toBeGreaterThanOrEqual(before)
    expect(lines).toEqual(['> upload', expect.stringMatching(/^sent 2 files \(upload: \d+ ms\)$/), '<'])
  })

  test('that fails leaves a row with the reason, and throws it on', async () => {
    const { log, lines } = listen()
    const pipeline = createPipeline(log)
    const failure = new Failure('candidate-died', 'the new release died', { evidence: 'its last line' })
    const thrown = await failureOf(
      pipeline.run('verify', async () => {
        throw failure
      }),
    )
    expect(thrown).toBe(failure)
    expect(pipeline.rows).toEqual([
      expect.objectContaining({
        phase: 'verify',
        state: 'failed',
        detail: 'the new release died',
        evidence: 'its last line',
      }),
    ])
    expect(lines).toEqual([
      '> verify',
      expect.stringMatching(/^failed: the new release died \(verify: \d+ ms\)$/),
      '<',
    ])
  })

  test('that throws anything else fails all the same', async () => {
    const pipeline = createPipeline(listen().log)
    const thrown = await failureOf(
      pipeline.run('build', () => Promise.reject(new TypeError('x is undefined'))),
    )
    expect(thrown).toMatchObject({
      code: 'internal',
      message: 'An unexpected error occurred: x is undefined.',
    })
  })

  test('that was skipped says why', () => {
    const pipeline = createPipeline(listen().log)
    pipeline.skip('verify', 'candidate-check is off')
    expect(pipeline.rows).toEqual([
      expect.objectContaining({
        phase: 'verify',
        state: 'skipped',
        durationMs: 0,
        detail: 'candidate-check is off',
      }),
    ])
  })

  test('that goes on later has one row for both parts, with the time of both', async () => {
    const pipeline = createPipeline(listen().log)
    const part = (detail: string) => async () => {
      await delay(20)
      return { value: undefined, detail }
    }
    await pipeline.run('health-check', part('2 workers serve'))
    const [{ startedAt }] = pipeline.rows as [Row]
    await pipeline.run('swap', part('elsewhere'))
    await pipeline.run('health-check', part('the URL answered'))
    const detail = '2 workers serve; the URL answered'
    expect(pipeline.rows).toEqual([
      expect.objectContaining({ phase: 'health-check', state: 'ok', startedAt, detail }),
      expect.objectContaining({ phase: 'swap' }),
    ])
    expect(pipeline.rows[0]!.durationMs).toBeGreaterThanOrEqual(38)

    const fails = () => Promise.reject(new Failure('public-url-unhealthy', 'then it did not'))
    await failureOf(pipeline.run('health-check', fails))
    expect(pipeline.rows).toHaveLength(2)
    expect(pipeline.rows[0]).toMatchObject({ state: 'failed', detail: `${detail}; then it did not` })
  })

  test('has a row on each host, and a row of its own after one that failed', async () => {
    const pipeline = createPipeline(listen().log)
    const done = async () => ({ value: undefined, detail: '' })
    await failureOf(pipeline.on('a').run('recover', () => Promise.reject(new Error('no'))))
    await pipeline.on('a').run('recover', done)
    await pipeline.on('b').run('recover', done)
    expect(pipeline.rows.map(({ host, state }) => [host, state])).toEqual([
      ['a', 'failed'],
      ['a', 'ok'],
      ['b', 'ok'],
    ])
  })

  test('names the host in its warnings', () => {
    const { log, lines } = listen()
    const pipeline = createPipeline(log)
    pipeline.on('a').log.warning('odd')
    pipeline.log.warning('odd')
    expect(lines).toEqual(['warning: a: odd', 'warning: odd'])
  })

  test('has its row in the order in which it ran', async () => {
    const pipeline = createPipeline(listen().log)
    const done = async () => ({ value: undefined, detail: '' })
    await pipeline.run('connect', done)
    pipeline.skip('verify', '')
    await pipeline.run('swap', done)
    expect(pipeline.rows.map(({ phase }) => phase)).toEqual(['connect', 'verify', 'swap'])
  })
})
