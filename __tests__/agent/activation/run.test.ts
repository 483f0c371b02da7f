import { existsSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import { activationFiles, type Job } from '../../../src/agent/activation/job.ts'
import { openJournal, readJournal } from '../../../src/agent/activation/journal.ts'
import { runJob } from '../../../src/agent/activation/server/world.ts'
import { takeLock } from '../../../src/agent/system/lock.ts'
import { writeFileAtomic } from '../../../src/agent/system/files.ts'
import type { Verdict } from '../../../src/protocol/messages.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'
import { newLayout, request } from '../releases-on-disk.ts'

const folder = temporaryFolders()

/** An activation that another process has taken up already, and is at work. */
async function atWork() {
  const layout = newLayout(folder())
  const { activation } = request
  const job: Job = {
    base: layout.base,
    appName: 'app',
    pm2Path: '/nowhere',
    pm2Version: '7.0.4',
    pm2Home: layout.base,
    request,
  }
  await writeFileAtomic(activationFiles(layout, activation).job, JSON.stringify(job), 0o600)
  const journal = openJournal(layout.journal, activation)
  const verdicts = async () =>
    (await readJournal(layout.journal)).flatMap(({ verdict }) => (verdict === null ? [] : [verdict]))
  const waits = () =>
    until('it waits', async () =>
      (await readJournal(layout.journal)).some(({ detail }) =>
        detail.startsWith('waiting for the lock, held by'),
      ),
    )
  return { layout, job, journal, verdicts, waits }
}

test('of two processes of one activation the second has the verdict of the first, however long that takes', async () => {
  const { layout, job, journal, verdicts, waits } = await atWork()
  const lock = await takeLock(layout.lock, 'another', 0, { activation: request.activation })
  const second = runJob({ ...job, request: { ...request, lockTimeoutMs: 0 } })
  await waits()
  expect(await verdicts()).toEqual([])
  expect(existsSync(activationFiles(layout, request.activation).job)).toBe(true)
  const verdict: Verdict = {
    status: 'live',
    live: request.release,
    previous: null,
    rollsBackTo: null,
    notFound: '',
    watch: null,
    failure: null,
    workers: [],
  }
  await journal.begin('swap', '')
  await journal.verdict(verdict)
  await lock.release()
  expect(await second).toEqual(verdict)
  expect(await verdicts()).toEqual([verdict])
})

test('what swapped while a second process waited is not called kept', async () => {
  const { layout, job, journal, verdicts, waits } = await atWork()
  // As when the first has died meanwhile, and another deploy holds the lock.
  const lock = await takeLock(layout.lock, 'another', 0)
  const second = runJob({ ...job, request: { ...request, lockTimeoutMs: 1500 } })
  await waits()
  await journal.begin('swap', '')
  expect(await failureOf(second)).toMatchObject({ code: 'locked' })
  await lock.release()
  expect(await verdicts()).toEqual([])
})

test('an activation has its reserve on the disk before it waits for the lock', async () => {
  const { layout, job, waits } = await atWork()
  const lock = await takeLock(layout.lock, 'another', 0)
  const second = runJob({ ...job, request: { ...request, lockTimeoutMs: 500 } })
  await waits()
  expect(existsSync(activationFiles(layout, request.activation).reserve)).toBe(true)
  await second
  await lock.release()
})

test('what cannot go on before it has touched anything is kept', async () => {
  const { layout, job, verdicts } = await atWork()
  const lock = await takeLock(layout.lock, 'another', 0)
  expect(await runJob({ ...job, request: { ...request, lockTimeoutMs: 0 } })).toMatchObject({
    status: 'kept',
    failure: { code: 'locked' },
  })
  await lock.release()
  expect(await verdicts()).toHaveLength(1)
  expect(existsSync(activationFiles(layout, request.activation).job)).toBe(false)
})
