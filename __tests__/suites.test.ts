import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'

/** The supports that boot sshd, PM2, Next.js or a proxy. */
const BOOTS =
  /from '.*support\/(sshd|server|fleet|fleet-runs|bare-host|bare-user|builds|nginx|redis|balancer|front)\.ts'/

const suites = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => ({ path, code: readFileSync(join(import.meta.dirname, path), 'utf8') }))

test('only suites named .server.test.ts boot servers, because the others run in parallel', () => {
  const boots = suites.filter(({ code }) => BOOTS.test(code))
  expect(boots.length).toBeGreaterThan(10)
  expect(boots.filter(({ path }) => !path.endsWith('.server.test.ts')).map(({ path }) => path)).toEqual([])
})
