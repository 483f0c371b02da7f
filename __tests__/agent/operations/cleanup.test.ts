import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from '@jest/globals'
import { cleanUp } from '../../../src/agent/operations/cleanup.ts'
import { activationFiles } from '../../../src/agent/activation/job.ts'
import { type Layout, layoutOf, releaseDirectory, releaseFiles } from '../../../src/agent/store/layout.ts'
import { lockHolder } from '../../../src/agent/system/lock.ts'
import { writeOwner } from '../../../src/agent/system/owner.ts'
import { markStaged, pointCurrentAt } from '../../../src/agent/store/releases.ts'
import { bootId } from '../../../src/agent/system/processes.ts'
import { uploadOwner } from '../../../src/agent/store/sources.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, request, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

const id = (number: number) => `202601010000${String(number).padStart(2, '0')}`
const at = (number: number) => `2026-01-01T00:00:${String(number).padStart(2, '0')}.000Z`

/** Releases 1 to `count`, verified one after the other, the last one live. */
async function deployed(count: number): Promise<Layout> {
  const layout = newLayout(folder())
  for (let number = 1; number <= count; number += 1) writeRelease(layout, id(number), at(number))
  await pointCurrentAt(layout, id(count))
  return layout
}

test('cleanup removes what dead workers said of themselves, and nothing of living ones', async () => {
  const layout = await deployed(1)
  const record = { release: id(1), port: 1, doorPort: 1, phase: 'open', detail: '', excerpt: '' }
  const self = { ...record, pid: process.pid, startTime: startTimeOf(process.pid), candidate: false }
  mkdirSync(layout.workers, { recursive: true })
  writeFileSync(join(layout.workers, `${process.pid}.json`), JSON.stringify(self))
  writeFileSync(join(layout.workers, '999999999.json'), JSON.stringify({ ...self, pid: 999_999_999 }))
  await cleanUp(layout, 3)
  expect(readdirSync(layout.workers)).toEqual([`${process.pid}.json`])
})

describe('cleanup keeps', () => {
  test('what another tool deployed to the same folder, however old', async () => {
    const layout = newLayout(folder())
    const theirs = ['20240101000000', '20240102000000']
    for (const name of theirs) mkdirSync(join(layout.releases, name))
    for (const number of [1, 2, 3]) writeRelease(layout, id(number), at(number))
    await pointCurrentAt(layout, id(3))
    const result = await cleanUp(layout, 1)
    expect(result).toMatchObject({ removed: [id(1)], inUse: [], kept: [id(2), id(3)] })
    expect(readdirSync(layout.releases).sort()).toEqual([...theirs, id(2), id(3)])
  })

  test('so many verified releases, the live one included', async () => {
    const layout = await deployed(6)
    const result = await cleanUp(layout, 3)
    expect(result).toMatchObject({ removed: [1, 2, 3].map(id), inUse: [], kept: [4, 5, 6].map(id) })
    expect(readdirSync(layout.releases).sort()).toEqual([4, 5, 6].map(id))
  })

  test('staged releases beside those, until a newer one is live', async () => {
    const layout = await deployed(4)
    for (const number of [5, 6, 8]) {
      writeRelease(layout, id(number))
      await markStaged(layout, id(number))
    }
    expect((await cleanUp(layout, 2)).kept).toEqual([3, 4, 5, 6, 8].map(id))
    writeRelease(layout, id(7), at(7))
    await pointCurrentAt(layout, id(7))
    expect(await cleanUp(layout, 2)).toMatchObject({ removed: [3, 5, 6].map(id), kept: [4, 7, 8].map(id) })
  })

  test('the live one and the previous one, were only one to be kept', async () => {
    const layout = await deployed(4)
    expect((await cleanUp(layout, 1)).kept).toEqual([3, 4].map(id))
  })

  test('the one that was live before a rollback, whatever its id', async () => {
    const layout = await deployed(5)
    writeRelease(layout, id(2), at(50))
    await pointCurrentAt(layout, id(2))
    const { kept } = await cleanUp(layout, 1)
    expect(kept).toEqual(expect.arrayContaining([id(2), id(5)]))
  })

  test('what is newer than the live one: it may be on its way', async () => {
    const layout = await deployed(2)
    writeRelease(layout, id(9))
    expect((await cleanUp(layout, 1)).kept).toContain(id(9))
  })

  test('what was sent before the live one, and still waits for its turn', async () => {
    const layout = await deployed(3)
    for (const number of [1, 2]) rmSync(releaseFiles(releaseDirectory(layout, id(number))).verified)
    // The one is held by the session that sent it, the other by an activation that waits for the lock.
    await writeOwner(uploadOwner(releaseDirectory(layout, id(1))))
    const waiting = { ...request, release: id(2) }
    const files = activationFiles(layout, request.activation)
    const job = { base: '', appName: '', pm2Path: '', pm2Version: '', pm2Home: '', request: waiting }
    writeFileSync(files.job, JSON.stringify(job))
    await writeOwner(files.owner)
    expect((await cleanUp(layout, 1)).removed).toEqual([])

    rmSync(files.owner)
    writeFileSync(files.owner, JSON.stringify({ pid: process.pid, startTime: 'of another process' }))
    expect((await cleanUp(layout, 1)).removed).toEqual([id(2)])
  })

  test('a release that a process works in, until it has ended', async () => {
    const layout = await deployed(5)
    const inside = join(layout.releases, id(1), 'apps', 'web')
    mkdirSync(inside, { recursive: true })
    const child = spawn('sleep', ['1000'], { cwd: inside })
    started.push(child)
    await once(child, 'spawn')

    expect(await cleanUp(layout, 2)).toMatchObject({
      removed: [2, 3].map(id),
      inUse: [id(1)],
      kept: [1, 4, 5].map(id),
      leftTo: null,
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect((await cleanUp(layout, 2)).removed).toEqual([id(1)])
  })

  test('a release that a process works in, also where the app’s folder is reached through a link', async () => {
    const layout = await deployed(3)
    const child = spawn('sleep', ['1000'], { cwd: join(layout.releases, id(1)) })
    started.push(child)
    await once(child, 'spawn')
    const link = join(folder(), 'link')
    symlinkSync(layout.base, link)
    expect((await cleanUp(layoutOf(link), 1)).inUse).toEqual([id(1)])
  })

  test('a release that a living worker says it runs, wherever it works', async () => {
    const layout = await deployed(4)
    const record = {
      pid: process.pid,
      startTime: startTimeOf(process.pid),
      release: id(1),
      candidate: false,
      phase: 'draining',
      port: 1,
      doorPort: 1,
      detail: '',
      excerpt: '',
    }
    const file = join(layout.workers, `${process.pid}.json`)
    writeFileSync(file, JSON.stringify(record))
    expect((await cleanUp(layout, 2)).inUse).toEqual([id(1)])

    writeFileSync(file, JSON.stringify({ ...record, startTime: 'of an earlier process' }))
    expect((await cleanUp(layout, 2)).removed).toEqual([id(1)])
    expect(existsSync(file)).toBe(false)
  })

  test('everything as long as nothing is live', async () => {
    const layout = newLayout(folder())
    for (const number of [1, 2, 3]) writeRelease(layout, id(number), at(number))
    expect(await cleanUp(layout, 1)).toMatchObject({ removed: [], inUse: [], kept: [1, 2, 3].map(id) })
  })
})

describe('cleanup removes', () => {
  test('what never went live and is older than what is', async () => {
    const layout = await deployed(3)
    writeRelease(layout, '20251231000000')
    expect((await cleanUp(layout, 5)).removed).toEqual(['20251231000000'])
  })

  test('what dead sessions left behind, and nothing that is a living one’s or has just begun', async () => {
    const layout = await deployed(1)
    const minutesAgo = (path: string) =>
      utimesSync(path, new Date(Date.now() - 120_000), new Date(Date.now() - 120_000))
    const owned = (name: string, startTime: string) => {
      const own = join(layout.incoming, name, '.gapless')
      mkdirSync(own, { recursive: true })
      writeFileSync(join(own, 'owner.json'), JSON.stringify({ pid: process.pid, startTime }))
      minutesAgo(join(layout.incoming, name))
    }
    owned('20260101000001', startTimeOf(process.pid) ?? '')
    owned('20260101000002', 'another process of this pid')
    mkdirSync(join(layout.incoming, '20260101000003'))
    mkdirSync(join(layout.incoming, '20260101000004.removed'))
    minutesAgo(join(layout.incoming, '20260101000004.removed'))
    await cleanUp(layout, 5)
    expect(readdirSync(layout.incoming).sort()).toEqual(['20260101000001', '20260101000003'])
  })
})

test('cleanup removes what was killed in the middle of writing a file, unless that may go on', async () => {
  const layout = await deployed(1)
  const past = new Date(Date.now() - 120_000)
  const paths = ['.activation.json.c0ffee', 'lock/.4711-3', 'workers/4711.json.tmp', 'agent/a.cjs.4711']
  mkdirSync(join(layout.own, 'agent'), { recursive: true })
  for (const path of [...paths, 'agent/a.cjs', 'journal.jsonl']) {
    writeFileSync(join(layout.own, path), '')
    utimesSync(join(layout.own, path), past, past)
  }
  writeFileSync(join(layout.workers, '4712.json.tmp'), '')
  await cleanUp(layout, 5)
  expect(paths.filter((path) => existsSync(join(layout.own, path)))).toEqual([])
  for (const path of ['workers/4712.json.tmp', 'agent/a.cjs', 'journal.jsonl']) {
    expect(existsSync(join(layout.own, path))).toBe(true)
  }
})

describe('cleanup of agents', () => {
  test('removes those that no session has used for a week', async () => {
    const layout = await deployed(1)
    const agents = join(layout.own, 'agent')
    mkdirSync(agents, { recursive: true })
    const day = 24 * 60 * 60
    for (const [name, days] of Object.entries({ 'a.cjs': 8, 'b.cjs': 6, 'c.cjs': 0 })) {
      writeFileSync(join(agents, name), '')
      utimesSync(join(agents, name), Date.now() / 1000 - days * day, Date.now() / 1000 - days * day)
    }
    await cleanUp(layout, 5)
    expect(readdirSync(agents).sort()).toEqual(['b.cjs', 'c.cjs'])
  })
})

describe('cleanup', () => {
  /** Another process has the lock, for an activation. */
  async function locked(layout: Layout, activation: string): Promise<ChildProcess> {
    const holder = spawn('sleep', ['1000'])
    started.push(holder)
    const { pid } = holder
    const content = {
      pid,
      startTime: startTimeOf(pid!),
      bootId: bootId(),
      owner: 'run 8',
      activation,
      since: '',
    }
    writeFileSync(join(layout.lock, '1.json'), JSON.stringify(content))
    return holder
  }

  test('is left to another deploy that is at work, at once', async () => {
    const layout = await deployed(3)
    await locked(layout, 'theirs')
    const begun = performance.now()
    expect(await cleanUp(layout, 1, 'ours')).toMatchObject({
      removed: [],
      kept: [1, 2, 3].map(id),
      leftTo: expect.stringContaining('run 8'),
    })
    expect(performance.now() - begun).toBeLessThan(2000)
  })

  test('waits until its own activation has given back the lock, and gives it back itself', async () => {
    const layout = await deployed(3)
    const activation = await locked(layout, 'ours')
    const cleaned = cleanUp(layout, 1, 'ours')
    await delay(500)
    expect(readdirSync(layout.releases)).toHaveLength(3)
    activation.kill('SIGKILL')
    expect(await cleaned).toMatchObject({ removed: [id(1)], leftTo: null })
    expect(await lockHolder(layout.lock)).toBeNull()
  })
})
