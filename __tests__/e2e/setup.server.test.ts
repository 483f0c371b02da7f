/** From a server with sshd and the usual Unix tools to the first deploy, as a user without root. Needs root here. */
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type BareUser, listingOf, startBareUser } from '../support/bare-user.ts'
import { runAction, type RunResult } from '../support/runner.ts'
import { mayUnshare } from '../support/sshd.ts'
import { checkOut, type Workspace } from '../support/workspace.ts'

const all = process.env['GAPLESS_TEST_ALL'] === '1'
const thorough = all ? test : test.skip

;(mayUnshare ? describe : describe.skip)('on a server without Node.js and PM2', () => {
  let server: BareUser
  let home: string
  let workspace: Workspace
  beforeAll(async () => {
    server = await startBareUser()
    home = server.home
    workspace = checkOut()
  }, 60_000)
  afterAll(async () => {
    await server.stop()
    workspace.remove()
  })

  const run = (command: string, more: Readonly<Record<string, string>> = {}): Promise<RunResult> =>
    runAction({ inputs: { ...server.inputs, command, ...more }, workspace: workspace.path })
  /** From a bare server to the first release, by command, in seconds. */
  const took: string[] = []
  const timed = async (command: string) => {
    const begun = performance.now()
    const result = await run(command)
    took.push(`${command} ${((performance.now() - begun) / 1000).toFixed(1)} s`)
    return result
  }

  test('check fails with a row for each, and changes nothing', async () => {
    const before = listingOf(home)
    const { code, summary, log, outputs } = await run('check')
    expect({ code, status: outputs['status'] }).toEqual({ code: 1, status: 'kept' })
    expect(log).toMatch(/✖ Node\.js: not found/)
    expect(log).toMatch(/✖ PM2: not found/)
    expect(log).toMatch(/✔ Home: /)
    expect(summary).toMatch(/\| ✖ \| Node\.js \| not found \| Run `command: setup`\. \|/)
    expect(summary).toContain('check-failed')
    expect(listingOf(home)).toBe(before)
  }, 60_000)

  thorough(
    'setup brings what is missing, and a second one changes nothing',
    async () => {
      const first = await timed('setup')
      expect(first.log).toMatch(/brought Node 24\./)
      expect(first.log).toMatch(/brought PM2 7\./)
      expect(first.log).toMatch(/✔ Node\.js: 24\./)
      expect(first.log).toMatch(/✔ PM2: 7\./)
      expect(first.code).toBe(0)
      expect(readlinkSync(join(home, '.gapless/runtime/bin/node'))).toMatch(/^\.\.\/node\/24\./)
      const before = listingOf(home)
      const second = await run('setup')
      expect(second.code).toBe(0)
      expect(second.log).not.toContain('brought')
      // Setup tries the crontab and the user unit again, below its own folder alone.
      expect(withoutTimes(listingOf(home))).toBe(withoutTimes(before))
    },
    120_000,
  )

  thorough(
    'a deploy finds what setup brought, and check then says that it is live',
    async () => {
      expect(await timed('deploy')).toMatchObject({ code: 0, outputs: { status: 'live' } })
      process.stderr.write(`From a bare server to the first release: ${took.join(', ')}\n`)
      const { code, outputs } = await run('check')
      expect({ code, status: outputs['status'] }).toEqual({ code: 0, status: 'live' })
    },
    300_000,
  )
})

/** A folder has another time after a file in it came and went. */
function withoutTimes(list: string): string {
  return list.replace(/ \S+$/gm, '')
}
