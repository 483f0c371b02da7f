import { writeFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { interruptedActivation } from '../../../src/agent/activation/interrupted.ts'
import { activationFiles } from '../../../src/agent/activation/job.ts'
import { openJournal } from '../../../src/agent/activation/journal.ts'
import type { Layout } from '../../../src/agent/store/layout.ts'
import { writeOwner } from '../../../src/agent/system/owner.ts'
import { markServing } from '../../../src/agent/store/history.ts'
import { pointCurrentAt } from '../../../src/agent/store/releases.ts'
import type { Verdict } from '../../../src/protocol/messages.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, request, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const verdict: Verdict = {
  status: 'live',
  live: null,
  previous: null,
  rollsBackTo: null,
  notFound: '',
  watch: null,
  failure: null,
  workers: [],
}

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

  test('is found where the journal is gone, by what it left', async () => {
    const layout = newLayout(folder())
    const id = request.release
    writeRelease(layout, id)
    await pointCurrentAt(layout, id)
    const job = { base: '', appName: '', pm2Path: '', pm2Version: '', pm2Home: '', request }
    writeFileSync(activationFiles(layout, request.activation).job, JSON.stringify(job))
    expect(await interruptedActivation(layout)).toBe(request.activation)
    // What was shown to serve needs nobody to finish it.
    await markServing(layout, id, { activation: request.activation, kind: 'deploy', replaced: null })
    expect(await interruptedActivation(layout)).toBeNull()
  })
})
