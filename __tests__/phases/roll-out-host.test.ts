import { expect, test } from '@jest/globals'
import type { Host } from '../../src/hosts/host.ts'
import { restoreHost } from '../../src/phases/roll-out-host.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { Failure } from '../../src/common/failure.ts'
import { type ActivationRequest, keptVerdict, type Verdict } from '../../src/protocol/messages.ts'
import { request } from '../agent/releases-on-disk.ts'
import { silentLog } from '../support/log.ts'

const [before, failed, newer] = ['20260101000000', request.release, '20260101000002'] as const
const live: Verdict = { ...keptVerdict(failed, null), status: 'live', previous: before }
const failure = new Failure('public-url-unhealthy', 'The public URL answered 500.')

/** Takes the failed release back on a host that answers with this verdict. */
async function takeBack(verdict: Verdict) {
  const asked: ActivationRequest[] = []
  const call = async (_: string, params: ActivationRequest) => {
    asked.push(params)
    return verdict
  }
  const host = { name: null, agent: () => ({ call }) } as unknown as Host
  const pipeline = createPipeline(silentLog)
  const ended = await restoreHost(
    host,
    request,
    { name: null, verdict: live, failure: null },
    failure,
    pipeline,
  )
  return { ended, asked, rows: pipeline.rows }
}

test('a restore names the release that it takes back', async () => {
  const { asked, ended } = await takeBack({ ...live, live: before })
  expect(asked).toMatchObject([{ kind: 'restore', release: before, replaces: failed }])
  expect(ended).toMatchObject({ verdict: { status: 'restored', live: before }, failure })
})

test('a release that went live meanwhile stays, and the report says so', async () => {
  const overtaken = new Failure('overtaken', `${newer} replaced ${failed} before it could be taken back.`)
  const { ended, rows } = await takeBack({
    ...keptVerdict(newer, overtaken.toRecord()),
    status: 'restored',
  })
  expect(ended).toMatchObject({
    verdict: { status: 'restored', live: newer },
    failure: { code: failure.code, message: `${failure.message} ${overtaken.message}` },
  })
  expect(rows).toMatchObject([{ phase: 'rollback', state: 'ok', detail: overtaken.message }])
})

test('a restore that fails leaves the host down', async () => {
  const { ended } = await takeBack({
    ...keptVerdict(failed, new Failure('locked', 'The lock is taken.').toRecord()),
  })
  expect(ended).toMatchObject({ verdict: { status: 'down' } })
  expect(ended.failure?.message).toContain('The lock is taken.')
})
