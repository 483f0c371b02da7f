import { chmodSync, truncateSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import {
  daemonLog,
  daemonLogSince,
  logsSince,
  notFoundSince,
} from '../../../src/agent/activation/evidence.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import { temporaryFolders } from '../../support/folder.ts'

const folder = temporaryFolders()
const process = (outLog: string, errorLog: string) => ({ outLog, errorLog }) as Pm2Process

describe('the evidence', () => {
  test('is what the workers wrote since the activation began', async () => {
    const [out, error] = [join(folder(), 'out.log'), join(folder(), 'error.log')]
    writeFileSync(out, 'before\nafter\n')
    writeFileSync(error, 'thrown\n')
    expect(await logsSince([process(out, error), process(out, error)], new Map([[out, 7]]))).toBe(
      'after\n\nthrown\n',
    )
  })

  test('is the end of a log that is larger than the memory', async () => {
    const log = join(folder(), 'huge.log')
    writeFileSync(log, '')
    truncateSync(log, 64 * 1024 ** 3)
    writeFileSync(log, 'the last line', { flag: 'a' })
    const text = await logsSince([process(log, log)], new Map())
    expect(text.length).toBeLessThanOrEqual(64 * 1024)
    expect(text.endsWith('the last line')).toBe(true)
  })

  test('is all of a log that was rotated meanwhile', async () => {
    const log = join(folder(), 'rotated.log')
    writeFileSync(log, 'new')
    expect(await logsSince([process(log, log)], new Map([[log, 5000]]))).toBe('new')
  })

  test('is nothing where a log is missing, a folder, or one that nobody writes to', async () => {
    const parent = folder()
    const [pipe, closed] = [join(parent, 'pipe'), join(parent, 'closed')]
    execFileSync('mkfifo', [pipe])
    writeFileSync(closed, '')
    chmodSync(closed, 0)
    expect(
      await logsSince([process(join(parent, 'missing'), parent), process(pipe, closed)], new Map()),
    ).toBe('')
  })
})

describe('the evidence in the daemon’s log', () => {
  test('is what workers wrote there since the activation began, and no word of PM2’s about any app', async () => {
    const home = folder()
    const before = `Error: of yesterday\n`
    const node = `Error: Cannot find module './preload.cjs'\n`
    const own = '2026-11-26T03:00:09: PM2 log: App [shop:1] exited with code [0] via signal [SIGINT]\n'
    const error = '2026-11-26T03:00:09: PM2 error: [shop] failed\n'
    writeFileSync(daemonLog(home), `${before}${own}${node}${error}`)
    const since = new Map([[daemonLog(home), before.length]])
    expect(await daemonLogSince(home, since)).toBe(node)
    expect(await daemonLogSince(join(home, 'missing'), since)).toBe('')
  })
})

test('what the new workers miss is told from what those of another release miss in the same log', async () => {
  const log = join(folder(), 'error.log')
  const at = (release: string) => `/srv/web/releases/${release}/mail.html'`
  const [own, other] = ['20261120155203', '20261120155204']
  const lines = [
    `Error: ENOENT: no such file or directory, open '${at(own)}`,
    `Error: ENOENT: no such file or directory, open '${at(other)}`,
    'GET /mail 500',
    `Error: Cannot find module '/srv/web/current/keys.json'`,
    `Error: ENOENT: no such file or directory, open '${at(own)}`,
  ]
  writeFileSync(log, lines.join('\n'))
  expect(await notFoundSince([process(log, log)], new Map(), own)).toBe([lines[0], lines[3]].join('\n'))
})
