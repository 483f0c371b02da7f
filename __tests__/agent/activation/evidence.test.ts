import { chmodSync, truncateSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { logsSince } from '../../../src/agent/activation/evidence.ts'
import type { Pm2Process } from '../../../src/agent/pm2.ts'
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
