import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readlinkSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  forgetReplaced,
  lookAtReplaced,
  putBack,
  readReplaced,
  type Replaced,
  writeReplaced,
} from '../../../src/agent/activation/replaced.ts'
import type { Pm2Process } from '../../../src/agent/pm2/client.ts'
import { pointCurrentAt } from '../../../src/agent/store/releases.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const [theirs, ours] = ['20240101000000', '20260101000001']
const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

/** An app that listens, as PM2 has it. */
async function app(host: string, port = 0): Promise<{ process: Pm2Process; port: number }> {
  const code = `const s = require('net').createServer().listen(${port}, '${host}', () => console.log(s.address().port))`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const definition = { env: { SECRET: 'of the app' } }
  const of = {
    id: 1,
    name: 'web',
    pid: child.pid!,
    status: 'online',
    mode: 'fork_mode',
    script: '/srv/web.js',
  }
  return { process: { ...of, definition } as unknown as Pm2Process, port: Number(line.toString()) }
}

function withForeignCurrent() {
  const layout = newLayout(folder())
  mkdirSync(join(layout.releases, theirs))
  symlinkSync(`releases/${theirs}`, layout.current)
  writeRelease(layout, ours)
  return layout
}

/** PM2 as far as it is needed here. @param revive what happens when it starts something again */
function fakePm2(revive: () => Promise<readonly Pm2Process[]>) {
  let processes: readonly Pm2Process[] = []
  return {
    list: async () => processes,
    revive: async () => void (processes = await revive()),
  }
}

const nobody = { all: [], daemon: null }
const rest = { appName: 'web', withReserve: <T>(act: () => Promise<T>) => act() }

describe('what a first deploy replaces', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['::1', '::1'],
    ['::', '::'],
  ])('is known by its link, its processes, and where they listen: %s', async (host, seen) => {
    const layout = withForeignCurrent()
    const { process, port } = await app(host)
    const addresses = [{ host: seen, port }]
    const found = await lookAtReplaced(layout, { ours: [], foreign: [process] }, nobody)
    expect(found).toEqual({
      current: `releases/${theirs}`,
      processes: [process],
      besideOurs: false,
      addresses,
    })
  })

  test('is remembered for whoever finishes the activation, and for nobody else to read', async () => {
    const layout = withForeignCurrent()
    const { process } = await app('127.0.0.1')
    const found = await lookAtReplaced(layout, { ours: [], foreign: [process] }, nobody)
    await writeReplaced(layout, found)
    expect(statSync(layout.replaced).mode & 0o777).toBe(0o600)
    await pointCurrentAt(layout, ours)
    expect(readReplaced(layout)).toEqual(found)
    await forgetReplaced(layout)
    expect(readReplaced(layout)).toBeNull()
  })

  test('is not written down where it is nothing', async () => {
    const layout = newLayout(folder())
    await writeReplaced(layout, await lookAtReplaced(layout, { ours: [], foreign: [] }, nobody))
    expect(readdirSync(layout.own)).not.toContain('replaced.json')
  })

  test('is put back, and said to serve once it does', async () => {
    const layout = withForeignCurrent()
    const before = await app('127.0.0.1')
    const found = await lookAtReplaced(layout, { ours: [], foreign: [before.process] }, nobody)
    await pointCurrentAt(layout, ours)
    started.pop()!.kill('SIGKILL')
    const pm2 = fakePm2(async () => [(await app('127.0.0.1', before.port)).process])
    expect(await putBack({ layout, pm2, ...rest }, found)).toBe(
      `current -> releases/${theirs} again; what PM2 ran before under the name "web" was started again, ` +
        `and accepts connections on 127.0.0.1:${before.port}`,
    )
    expect(readlinkSync(layout.current)).toBe(`releases/${theirs}`)
  })

  test.each<[string, (found: Replaced) => Promise<readonly Pm2Process[]>, RegExp]>([
    ['PM2 keeps none of its processes', async () => [], /PM2 keeps 0 of 1 processes online/],
    [
      'PM2 refuses',
      async () => {
        throw new Error('PM2 refused to prepare')
      },
      /PM2 keeps 0 of 1 processes online; PM2 refused to prepare/,
    ],
    [
      'it listens no more',
      async ({ processes }) => processes,
      /nothing accepts connections on 127\.0\.0\.1:\d+/,
    ],
  ])('is not said to serve where %s', async (_, revive, message) => {
    const layout = withForeignCurrent()
    const { process } = await app('127.0.0.1')
    const found = await lookAtReplaced(layout, { ours: [], foreign: [process] }, nobody)
    started.pop()!.kill('SIGKILL')
    const pm2 = fakePm2(() => revive(found))
    const failure = await failureOf(putBack({ layout, pm2, ...rest }, found, 500))
    expect(failure).toMatchObject({ code: 'restore-failed', message: expect.stringMatching(message) })
  })
})
