import { writeFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { interruptedActivation } from '../../../src/agent/activation/interrupted.ts'
import { activationFiles } from '../../../src/agent/activation/job.ts'
import { openJournal } from '../../../src/agent/journal.ts'
import type { Layout } from '../../../src/agent/layout.ts'
import { writeOwner } from '../../../src/agent/owner.ts'
import type { Verdict } from '../../../src/protocol/messages.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const verdict: Verdict = { status: 'live', live: null, previous: null, failure: null, workers: [] }

/** An activation that got as far as this step. */
async function began(layout: Layout, activation: string, step: 'lock' | 'swap') {
  writeFileSync(activationFiles(layout, activation).job, '{}')
  const journal = openJournal(layout.journal, activation)
  await journal.begin('lock', '')
  if (step === 'swap') await journal.begin('swap', '')
  return journal
}

describe('an interrupted activation', () => {
  test('is one that swapped and has neither a verdict nor a process', async () => {
    const layout = newLayout(folder())
    await began(layout, 'a', 'swap')
    expect(await interruptedActivation(layout)).toBe('a')
    // One that came after it and never swapped has settled nothing.
    await began(layout, 'b', 'lock')
    expect(await interruptedActivation(layout)).toBe('a')
  })

  test('is none that has not swapped, has its verdict, or still runs', async () => {
    const layout = newLayout(folder())
    expect(await interruptedActivation(layout)).toBeNull()
    await began(layout, 'waits', 'lock')
    expect(await interruptedActivation(layout)).toBeNull()
    await (await began(layout, 'ended', 'swap')).verdict(verdict)
    expect(await interruptedActivation(layout)).toBeNull()
    await began(layout, 'runs', 'swap')
    await writeOwner(activationFiles(layout, 'runs').owner)
    expect(await interruptedActivation(layout)).toBeNull()
  })

  test('is none that a later one has settled', async () => {
    const layout = newLayout(folder())
    await began(layout, 'a', 'swap')
    await (await began(layout, 'b', 'swap')).verdict(verdict)
    expect(await interruptedActivation(layout)).toBeNull()
  })
})
