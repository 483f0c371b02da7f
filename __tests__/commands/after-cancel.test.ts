import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, test } from '@jest/globals'
import { readInputs } from '../../src/inputs/index.ts'
import { afterCancel } from '../../src/commands/after-cancel.ts'
import { createPipeline } from '../../src/pipeline.ts'
import { createPlan } from '../../src/plan.ts'
import { silentLog } from '../support/log.ts'

/** A port of 127.0.0.1 on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function afterwards(release: string | undefined, patienceMs: number) {
  const inputs = readInputs({
    INPUT_HOST: '127.0.0.1',
    INPUT_PORT: String(await closedPort()),
    INPUT_USERNAME: 'nobody',
    INPUT_PASSWORD: 'x',
    INPUT_FINGERPRINT: `SHA256:${'A'.repeat(43)}`,
    'INPUT_CONNECT-TIMEOUT': '500ms',
  })
  const lines: string[] = []
  const pipeline = createPipeline({ ...silentLog, info: (line) => void lines.push(line) })
  const programs = { agentFile: '/nowhere', launcherFile: '/nowhere' }
  const outcome = await afterCancel(createPlan(inputs, 'site'), release, programs, pipeline, patienceMs)
  const tries = lines.filter((line) => line.startsWith('the server is out of reach')).length
  return { outcome, rows: pipeline.rows, tries }
}

test('a run that was cut off before it could switch has touched nothing, whoever can be asked', async () => {
  const { outcome, tries } = await afterwards(undefined, 60_000)
  expect(outcome).toMatchObject({ status: 'kept', release: null, failure: { code: 'run-cut-off' } })
  // There is nothing to wait for.
  expect(tries).toBe(0)
})

test('of one that may have switched, on a server out of reach, nobody says that it was kept', async () => {
  const { outcome, rows, tries } = await afterwards('20260101000001', 2000)
  expect(outcome).toMatchObject({
    status: 'down',
    succeeded: false,
    release: '20260101000001',
    liveRelease: null,
    failure: { code: 'run-cut-off' },
  })
  expect(outcome.failure?.message).toContain('could not be reached to learn the result')
  expect(tries).toBeGreaterThan(0)
  expect(rows).toMatchObject([{ phase: 'connect', state: 'failed' }])
}, 60_000)
