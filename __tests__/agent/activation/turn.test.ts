import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, test } from '@jest/globals'
import { activationFiles } from '../../../src/agent/activation/job.ts'
import { openJournal } from '../../../src/agent/activation/journal.ts'
import { turnOn } from '../../../src/agent/activation/server/turn.ts'
import { takeLock } from '../../../src/agent/system/lock.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, request } from '../releases-on-disk.ts'

const folder = temporaryFolders()

test.each([
  ['gives up the wait for the lock', false, 'withdrawn'],
  ['waits for the lock to its end once it has swapped', true, 'locked'],
] as const)('an activation whose run was cancelled %s', async (_, swapped, code) => {
  const home = folder()
  const layout = newLayout(home)
  const { activation } = request
  const { withdrawn } = activationFiles(layout, activation)
  mkdirSync(dirname(withdrawn), { recursive: true })
  writeFileSync(withdrawn, '')
  const journal = openJournal(layout.journal, activation)
  if (swapped) await journal.begin('swap', '')
  const turn = turnOn(
    layout,
    { pm2Home: home, request: { ...request, lockTimeoutMs: 300 } } as never,
    journal,
  )
  const other = await takeLock(layout.lock, 'cleanup', 0)
  expect(await failureOf(turn.lock())).toMatchObject({ code })
  await other.release()
})
