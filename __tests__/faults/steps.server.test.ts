import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type ActivationStep, activationSteps } from '../../src/protocol/messages.ts'
import { mayMount } from '../support/test-mounts.ts'
import { type Fault, faults } from './faults.ts'
import { type Site, startSite } from './site.ts'
import { lineOf, type Result, tableOf, tryFault } from './trial.ts'

/**
 * Promise 4: any process may die at any moment. Every fault at every step of the journal, under load: npm run
 * test:faults. `npm test` has one that dies on the way back (e2e/way-back), and .ci/run the core of these.
 */
const all = process.env['GAPLESS_TEST_ALL'] === '1'
const tries = all || process.env['GAPLESS_CORE_FAULTS'] === '1' ? describe : describe.skip
const core = new Map<string, ActivationStep>([
  ['the disk fills up', 'swap'],
  ['runner, agent and activation are killed at once', 'reload'],
  ['the connection is cut', 'health-check'],
])

let site: Site | undefined
const results: Result[] = []
beforeAll(async () => {
  if (tries === describe.skip) return
  site = await startSite()
}, 300_000)
afterAll(async () => {
  await site?.stop()
  if (results.length > 0) process.stderr.write(`${tableOf(results)}\n`)
}, 60_000)

tries.each(activationSteps)('at %s', (step) => {
  const tried = faults.filter(
    (fault) => (all || core.get(fault.name) === step) && (mayMount || !fault.needsMount),
  )
  for (const fault of tried) {
    test(
      fault.name,
      async () => {
        const result = await tryFault(site!, fault, step, step === 'rollback')
        results.push(result)
        process.stderr.write(lineOf(result))
        expect({ wrong: result.wrong, log: result.log }).toEqual({ wrong: [], log: '' })
        expect(result.status).toMatch(expectedOf(fault, step))
      },
      fault.slow ? 180_000 : 120_000,
    )
  }
  if (tried.length === 0) test.skip('nothing of it by default', () => undefined)
})

/** A release that dies is never live; what cannot be helped may end with the previous one. */
function expectedOf({ endsRun, mayLose, needsMount, blind }: Fault, step: ActivationStep): RegExp {
  if (blind) return /^(live|kept|restored|down)$/
  if (step === 'rollback') return /^restored$/
  if (needsMount || mayLose !== undefined) return /^(live|kept|restored)$/
  // Cancelled before the swap, or while there is a canary, it withdraws.
  if (endsRun) return step === 'canary' ? /^(live|restored)$/ : /^(live|kept)$/
  return /^live$/
}
