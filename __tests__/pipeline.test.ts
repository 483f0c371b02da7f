import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from '@jest/globals'
import { createPipeline, type Log } from '../src/pipeline.ts'
import { Failure } from '../src/protocol/failure.ts'
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
    const failure = new Failure('candidate-died', 'the new release died')
    const thrown = await failureOf(
      pipeline.run('verify', async () => {
        throw failure
      }),
    )
    expect(thrown).toBe(failure)
    expect(pipeline.rows).toEqual([
      expect.objectContaining({ phase: 'verify', state: 'failed', detail: 'the new release died' }),
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
    expect(thrown).toMatchObject({ code: 'internal', message: 'x is undefined' })
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

  test('has its row in the order in which it ran', async () => {
    const pipeline = createPipeline(listen().log)
    const done = async () => ({ value: undefined, detail: '' })
    await pipeline.run('connect', done)
    pipeline.skip('verify', '')
    await pipeline.run('swap', done)
    expect(pipeline.rows.map(({ phase }) => phase)).toEqual(['connect', 'verify', 'swap'])
  })
})
