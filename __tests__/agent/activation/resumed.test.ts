/** An activation whose process died after the swap, and which another process takes up. */
import { describe, expect, test } from '@jest/globals'
import { activate } from '../../../src/agent/activation/activate.ts'
import { beginActivation } from '../../../src/agent/activation/context.ts'
import type { Job } from '../../../src/agent/activation/job.ts'
import { openJournal, readJournal } from '../../../src/agent/activation/journal.ts'
import type { Pm2, Pm2Process } from '../../../src/agent/pm2/client.ts'
import { layoutOf } from '../../../src/agent/store/layout.ts'
import { liveRelease, pointCurrentAt } from '../../../src/agent/store/releases.ts'
import type { ActivationRequest, JournalEntry } from '../../../src/protocol/messages.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { until } from '../../support/until.ts'
import { newLayout, request, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const [old, previous, target] = ['20260101000000', '20260101000001', '20260101000002'] as const

/** Two verified releases, of which the later is current, and a third one. */
async function site(changes: Partial<ActivationRequest> = {}) {
  const layout = newLayout(folder())
  writeRelease(layout, old, '2026-01-01T00:00:00.000Z')
  writeRelease(layout, previous, '2026-01-01T00:00:01.000Z')
  writeRelease(layout, target)
  await pointCurrentAt(layout, previous)
  const pm2Paths = { pm2Path: '/nowhere', pm2Version: '7.0.4', pm2Home: layout.base }
  const job: Job = {
    base: layout.base,
    appName: 'app',
    ...pm2Paths,
    request: { ...request, release: target, ...changes },
  }
  return { layout, job }
}

const forever = () => new Promise<never>(() => undefined)

/** Lists one worker of Gapless's own to whoever begins, and answers nothing else: from then on the process may as well be dead. */
function pm2Of(base: string): Pm2 {
  const { current } = layoutOf(base)
  const worker = {
    id: 0,
    name: 'app',
    pid: 0,
    status: 'online',
    mode: 'cluster_mode',
    script: `${current}/.gapless/launcher.cjs`,
    cwd: current,
    errorLog: '',
    outLog: '',
    definition: {},
  } as unknown as Pm2Process
  let answers = 2
  const list = async () => ((answers -= 1) >= 0 ? [worker] : forever())
  return {
    list,
    all: list,
    isReplacing: async () => false,
    reload: forever,
    restart: forever,
  } as unknown as Pm2
}

/** One process of the activation, from what the journal says. */
async function processOf(job: Job, pm2: Pm2) {
  const { journal } = layoutOf(job.base)
  const { activation } = job.request
  return beginActivation(job, openJournal(journal, activation), await readJournal(journal), pm2)
}

const isA = (step: string, state: string) => (entry: JournalEntry) =>
  entry.step === step && entry.state === state

describe('an activation that is resumed after the swap', () => {
  test('reports the release that was current before the swap, and restores it', async () => {
    const { layout, job } = await site()
    await openJournal(layout.journal, job.request.activation).begin('swap', '', {
      before: { current: previous, previous },
    })
    await pointCurrentAt(layout, target)
    const resumed = await processOf(job, pm2Of(job.base))
    expect([resumed.live, resumed.previous?.release, resumed.takenUp]).toEqual([previous, previous, true])
  })

  test('back to an earlier release does not find its own target to restore', async () => {
    const { layout, job } = await site({ release: old, kind: 'rollback', replaces: previous })
    await openJournal(layout.journal, job.request.activation).begin('swap', '', {
      before: { current: previous, previous },
    })
    await pointCurrentAt(layout, old)
    const resumed = await processOf(job, pm2Of(job.base))
    expect([resumed.live, resumed.previous?.release]).toEqual([previous, previous])
  })

  test('knows what it replaces from its request where a journal of version 0.1 does not say', async () => {
    const { layout, job } = await site({ release: old, kind: 'rollback', replaces: previous })
    await openJournal(layout.journal, job.request.activation).begin('swap', '')
    await pointCurrentAt(layout, old)
    const resumed = await processOf(job, pm2Of(job.base))
    expect([resumed.live, resumed.previous?.release]).toEqual([previous, previous])
  })
})

describe('an activation that died while it restored', () => {
  const cause = { code: 'worker-died', message: 'A worker died.', remedy: null, evidence: null }
  test.each([
    ['with its reason', cause, 'worker-died'],
    ['whatever it was for, where a journal of version 0.1 does not say', null, 'activation-died'],
  ])('goes on restoring, %s', async (_, reason, code) => {
    const { layout, job } = await site()
    const journal = openJournal(layout.journal, job.request.activation)
    await journal.begin('swap', '', { before: { current: previous, previous } })
    await pointCurrentAt(layout, target)
    await journal.begin('rollback', '', { cause: reason })
    void processOf(job, pm2Of(job.base)).then(activate)
    const found = async () => (await readJournal(layout.journal)).filter(isA('rollback', 'begin'))
    await until('it goes on', async () => (await found()).length === 2)
    expect((await found())[1]?.cause?.code).toBe(code)
    await until('current is back', async () => (await liveRelease(layout)) === previous)
    expect((await readJournal(layout.journal)).filter(isA('swap', 'begin'))).toHaveLength(1)
  })
})
