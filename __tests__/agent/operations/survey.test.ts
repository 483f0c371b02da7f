import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { survey } from '../../../src/agent/operations/survey.ts'
import { whyNotMove } from '../../../src/agent/pm2/move.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import type { Layout } from '../../../src/agent/store/layout.ts'
import { takeLock } from '../../../src/agent/system/lock.ts'
import { startTimeOf } from '../../../src/common/process-identity.ts'
import { LAUNCHER } from '../../../src/protocol/manifest.ts'
import type { SurveyRow } from '../../../src/protocol/messages.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout } from '../releases-on-disk.ts'

const folder = temporaryFolders()
let layout: Layout
let home: string
beforeEach(() => {
  layout = newLayout(folder())
  home = folder()
})

/** A worker that Gapless started from a folder; this process stands in for it. */
const ours = (base: string, name = 'web') =>
  ({ name, pid: process.pid, status: 'online', script: `${base}/current/${LAUNCHER}` }) as Pm2Process
const strangers = {
  name: 'api',
  pid: process.pid,
  status: 'online',
  script: '/srv/api/index.js',
} as Pm2Process

function writeRecord({ workers }: Layout, changes: object = {}): void {
  mkdirSync(workers, { recursive: true })
  const record = {
    pid: process.pid,
    startTime: startTimeOf(process.pid),
    release: '20260101000000',
    candidate: false,
    phase: 'open',
    port: 1,
    doorPort: 3000,
    leavesAt: null,
    detail: '',
    excerpt: '',
    movedPorts: null,
    cache: null,
    outlives: true,
    orphaned: null,
    traffic: null,
  }
  writeFileSync(join(workers, `${process.pid}.json`), JSON.stringify({ ...record, ...changes }))
}

async function row(
  what: string,
  all: readonly Pm2Process[] = [],
  move: Parameters<typeof survey>[0]['move'] = null,
) {
  const now = { all, daemon: null, program: null }
  const rows = await survey({ layout, appName: 'web', home, now, move })
  return rows.find((found: SurveyRow) => found.what === what)
}

describe('PM2’s saved list', () => {
  const saved = (...names: string[]) =>
    writeFileSync(join(home, 'dump.pm2'), JSON.stringify(names.map((name) => ({ name }))))
  const two = [ours('/srv/web'), ours('/srv/web'), strangers]

  test.each([
    [['web', 'web', 'api'], 'ok', 'has all 2 apps'],
    [['web', 'api'], 'doubt', 'lacks web'],
    [['web', 'web'], 'doubt', 'lacks api'],
  ])('%j is %s', async (names, level, value) => {
    saved(...names)
    expect(await row('PM2’s saved list', two)).toMatchObject({ level, value: expect.stringContaining(value) })
  })

  test('is missing, or nobody needs one', async () => {
    expect(await row('PM2’s saved list', two)).toMatchObject({ level: 'doubt' })
    expect(await row('PM2’s saved list')).toBeUndefined()
  })
})

test('a lock whose process is gone is void, and one that is held is a finding of the dry run', async () => {
  expect(await row('Lock')).toMatchObject({ value: 'free' })
  mkdirSync(layout.lock, { recursive: true })
  const lock = await takeLock(layout.lock, 'a deploy', 0)
  expect(await row('Lock')).toBeUndefined()
  await lock.release()
  expect(await row('Lock')).toMatchObject({ value: 'free' })
  const holder = {
    pid: 999_999_999,
    startTime: '1',
    bootId: 'x',
    owner: 'a deploy',
    activation: null,
    since: '',
  }
  writeFileSync(join(layout.lock, '9.json'), JSON.stringify(holder))
  expect(await row('Lock')).toMatchObject({ level: 'ok', value: expect.stringContaining('void') })
})

test('what interrupted runs left is counted', async () => {
  expect(await row('Leftovers')).toMatchObject({ level: 'ok' })
  mkdirSync(join(layout.incoming, '20260101000000'), { recursive: true })
  mkdirSync(layout.activations, { recursive: true })
  writeFileSync(join(layout.activations, 'a.owner'), JSON.stringify({ pid: 999_999_999, startTime: '1' }))
  expect(await row('Leftovers')).toMatchObject({ level: 'doubt', value: 'of 2 interrupted runs' })
})

test('other apps are named with their folders, and their workers without PM2 too', async () => {
  const other = newLayout(folder())
  writeRecord(other, { orphaned: { since: 1, beside: [] } })
  const all = [ours(layout.base), ours(other.base, 'shop'), strangers]
  expect(await row('Other apps', all)).toMatchObject({ value: expect.stringMatching(/^shop \(.*\), api$/) })
  expect(await row('Other workers', all)).toMatchObject({
    value: `1 worker in ${other.base} serve without PM2`,
  })
  expect(await row('Other apps', [ours(layout.base)])).toBeUndefined()
})

describe('a Node that setup brought beside the one that PM2 runs on', () => {
  const move = { node: '/home/deploy/node', version: '24.9.0', abi: '137', from: '22.9.0' }

  test('is a row: the next deploy moves over, or says why not', async () => {
    expect(await row('PM2’s Node.js', [], { ...move, hindrance: null })).toMatchObject({
      level: 'ok',
      value: expect.stringContaining('the next deploy moves PM2 without a gap'),
    })
    expect(await row('PM2’s Node.js', [], { ...move, hindrance: 'PM2 also runs "api"' })).toMatchObject({
      level: 'doubt',
      remedy: expect.stringContaining('pm2 update'),
    })
  })

  test('is moved to where all that runs was deployed by Gapless, outlives the daemon, and is not being deployed', async () => {
    const other = newLayout(folder())
    writeRecord(layout)
    writeRecord(other)
    const all = [ours(layout.base), ours(other.base, 'shop')]
    expect(await whyNotMove(all, layout.base)).toBeNull()
    expect(await whyNotMove([...all, strangers], layout.base)).toMatch(/"api", which Gapless did not deploy/)
    expect(await whyNotMove([...all, { ...strangers, status: 'stopped' }], layout.base)).toBeNull()
    mkdirSync(other.lock, { recursive: true })
    const lock = await takeLock(other.lock, 'a deploy', 0)
    expect(await whyNotMove(all, layout.base)).toBe('"shop" is being deployed')
    await lock.release()
    writeRecord(other, { outlives: false })
    expect(await whyNotMove(all, layout.base)).toMatch(/"shop" would not outlive/)
  })
})
