import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { activationFiles } from '../../../src/agent/activation/job.ts'
import { startActivation, watchActivation } from '../../../src/agent/activation/start.ts'
import { sha256 } from '../../../src/common/hash-file.ts'
import { openJournal } from '../../../src/agent/activation/journal.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, request } from '../releases-on-disk.ts'

/** What the session makes of an activation whose process dies, and dies again. */

const folder = temporaryFolders()

const watcher = { onEntry: () => undefined, alive: () => undefined }

function contextWith(agent: string) {
  const base = folder()
  const agentFile = join(base, `${sha256(Buffer.from(agent))}.cjs`)
  writeFileSync(agentFile, agent)
  const layout = newLayout(base)
  const pm2 = { path: '', version: '' }
  return { layout, appName: 'site', agentFile, pm2, pm2Home: base, node: process.execPath }
}

test('one that never swapped has touched nothing, and is `kept`', async () => {
  const context = contextWith(`console.error('dead')`)
  const verdict = await startActivation(context, request, watcher)
  expect(verdict).toMatchObject({ status: 'kept', live: null, failure: { code: 'activation-died' } })
  // It was started anew once.
  expect(verdict.failure?.evidence).toBe('dead\ndead')
})

test('one whose agent was changed since it was proven is not started', async () => {
  const context = contextWith('')
  writeFileSync(
    context.agentFile,
    `require('fs').writeFileSync(${JSON.stringify(`${context.pm2Home}/ran`)}, '')`,
  )
  const verdict = await startActivation(context, request, watcher)
  expect(verdict).toMatchObject({ status: 'kept', failure: { code: 'activation-died' } })
  expect(verdict.failure?.evidence).toContain('is not the agent that was sent')
  expect(readdirSync(context.pm2Home)).not.toContain('ran')
})

test('of one that swapped nobody knows how it ended', async () => {
  const context = contextWith('')
  const journal = openJournal(context.layout.journal, request.activation)
  await journal.begin('swap', '')
  const failure = await failureOf(startActivation(context, request, watcher))
  expect(failure.code).toBe('activation-died')
})

test('nor of one that swapped and cannot be started again', async () => {
  const context = contextWith(`
    const fs = require('node:fs')
    const log = process.argv[3].replace(/json$/, 'log')
    fs.rmSync(log)
    fs.mkdirSync(log)`)
  await openJournal(context.layout.journal, request.activation).begin('swap', '')
  const failure = await failureOf(startActivation(context, request, watcher))
  expect(failure.code).toBe('activation-died')
  expect(failure.evidence).toContain('EISDIR')
})

test('one that has its verdict is not started again', async () => {
  const context = contextWith('throw new Error()')
  const verdict = {
    status: 'live',
    live: null,
    previous: null,
    rollsBackTo: null,
    notFound: '',
    watch: null,
    failure: null,
    workers: [],
  } as const
  await openJournal(context.layout.journal, request.activation).verdict(verdict)
  const watched = watchActivation(context.layout, () => context, request.activation, true, watcher)
  expect(await watched).toEqual(verdict)
  expect(readdirSync(context.layout.activations)).toEqual([])
  expect(activationFiles(context.layout, request.activation).job).toContain(request.activation)
})

test('one that runs and says nothing for longer than it may is not waited for', async () => {
  const context = contextWith('setTimeout(() => undefined, 10_000)')
  let signs = 0
  const alive = () => void (signs += 1)
  const failure = await failureOf(startActivation(context, request, { ...watcher, alive, silenceMs: 1000 }))
  expect(failure).toMatchObject({
    code: 'activation-silent',
    message: expect.stringContaining('no progress'),
  })
  expect(signs).toBeGreaterThan(0)
})
