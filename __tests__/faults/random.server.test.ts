import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { faults } from './faults.ts'
import { type Site, startSite } from './site.ts'
import { mayMount } from '../support/test-mounts.ts'
import { lineOf, type Result, tableOf, tryFault } from './trial.ts'

/** Faults at moments that nobody chose: npm run test:faults -- --random 200 */
const rounds = Number(process.env['GAPLESS_RANDOM_FAULTS'] ?? 0)
const maybe = rounds > 0 ? test : test.skip
/** The connection's freeze takes most of a minute each time; the steps' own test has it. */
const kinds = faults.filter(({ slow, needsMount }) => !slow && (mayMount || !needsMount))

let site: Site | undefined
const results: Result[] = []
beforeAll(async () => {
  if (rounds > 0) site = await startSite()
}, 300_000)
afterAll(async () => {
  await site?.stop()
  if (rounds > 0) process.stderr.write(`${tableOf(results)}\n`)
}, 60_000)

maybe(
  `${rounds} faults at random moments`,
  async () => {
    const begun = performance.now()
    const usual = await site!.run('second')
    expect(usual.outputs['status']).toBe('live')
    const longest = performance.now() - begun
    for (let round = 0; round < rounds; round += 1) {
      const fault = kinds[Math.floor(Math.random() * kinds.length)]!
      // From the moment when the run has connected to the one when it usually ends.
      const moment = Math.round(500 + Math.random() * (longest - 500))
      const result = await tryFault(site!, fault, moment, Math.random() < 0.25)
      results.push(result)
      process.stderr.write(`${round + 1}: ${lineOf(result)}`)
      if (result.wrong.length > 0) process.stderr.write(`${result.log}\n`)
    }
    expect(
      results.flatMap(({ fault, moment, wrong }) => wrong.map((what) => `${fault} at ${moment}: ${what}`)),
    ).toEqual([])
  },
  300_000 + rounds * 120_000,
)
