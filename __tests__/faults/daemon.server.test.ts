import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { activationSteps } from '../../src/protocol/messages.ts'
import { nodeBinary } from '../../scripts/node-version.mjs'
import { daemonDies } from './faults.ts'
import { type Site, startSite } from './site.ts'
import { lineOf, type Result, tableOf, tryFault } from './trial.ts'

/**
 * Promise 7: PM2's daemon dies at every step, with 1, 2 and 4 workers, and with every PM2 that a server may have: npm run
 * test:faults. The example app needs Node.js 20.9; worker/orphan.server.test.ts has 18 as well.
 */
const thorough = process.env['GAPLESS_TEST_ALL'] === '1'
const sites: readonly (readonly [workers: number, node: string, pm2Package: string])[] = [
  [1, '24', 'pm2'],
  [4, '24', 'pm2'],
  [2, '22', 'pm2-6'],
  [2, '20', 'pm2-5'],
  [2, '24', 'pm2'],
]
const every = thorough ? describe.each(sites) : describe.skip.each(sites)

const results: Result[] = []
afterAll(() => {
  if (results.length > 0) process.stderr.write(`${tableOf(results)}\n`)
})

every('with %i workers on Node %s and %s', (workers, node, pm2Package) => {
  let site: Site
  beforeAll(async () => {
    site = await startSite({ workers, node: nodeBinary(node), pm2Package })
  }, 300_000)
  afterAll(() => site?.stop(), 60_000)

  test.each(activationSteps)(
    'at %s',
    async (step) => {
      const result = await tryFault(site, daemonDies, step, step === 'rollback')
      results.push({ ...result, fault: `${workers} workers, Node ${node}, ${pm2Package}` })
      process.stderr.write(`${workers} workers, Node ${node}, ${pm2Package}: ${lineOf(result)}`)
      expect({ wrong: result.wrong, log: result.log }).toEqual({ wrong: [], log: '' })
      expect(result.status).toMatch(step === 'rollback' ? /^restored$/ : /^(live|kept|restored)$/)
    },
    120_000,
  )
})
