/** What an app writes into its own release is reported before it goes with that release. */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { cleanUp } from '../../../src/agent/operations/cleanup.ts'
import { markServing } from '../../../src/agent/store/history.ts'
import { type Layout, layoutOf, releaseDirectory, releaseFiles } from '../../../src/agent/store/layout.ts'
import { carryStatic } from '../../../src/agent/store/old-static.ts'
import { pointCurrentAt } from '../../../src/agent/store/releases.ts'
import { uploadOwner } from '../../../src/agent/store/sources.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { uploaded } from '../uploaded.ts'

const folder = temporaryFolders()
let layout: Layout

beforeEach(() => {
  layout = layoutOf(join(folder(), 'app'))
})

const site = (release: number) => ({
  '.next/server/app/index.html': '<h1>one</h1>',
  [`.next/static/${release}.js`]: '',
  'data.db': 'rows',
  'node_modules/next/package.json': '{}',
  'public/robots.txt': 'allow',
  'server.js': '',
})

/** Makes the next release live, as an activation does. */
async function deploy(release: number, sharedDirs: readonly string[] = []): Promise<string> {
  const id = await upload(release, sharedDirs)
  await activate(id)
  return id
}

/** The session that sent the release is over. */
async function upload(release: number, sharedDirs: readonly string[] = []): Promise<string> {
  const { id, directory } = await uploaded(layout, folder(), site(release), { sharedDirs })
  rmSync(uploadOwner(directory))
  return id
}

async function activate(id: string): Promise<void> {
  await carryStatic(layout, id)
  await pointCurrentAt(layout, id)
  await markServing(layout, id, { activation: randomUUID(), kind: 'deploy', replaced: null })
}

function write(id: string, path: string, text = 'written by the app'): void {
  const file = join(releaseDirectory(layout, id), path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  // The clock of files may be some ms behind.
  const soon = Date.now() / 1000 + 1
  utimesSync(file, soon, soon)
}

const written = async (keep = 5) => (await cleanUp(layout, keep)).written

describe('a cleanup reports', () => {
  test('what the app wrote into the release that serves no more, once', async () => {
    const first = await deploy(1)
    write(first, 'public/uploads/2026/a.png')
    write(first, 'public/uploads/b.png')
    write(first, 'public/new.txt')
    write(first, 'data.db', 'many rows')
    expect(await written()).toEqual([])
    await deploy(2)
    const paths = ['data.db', 'public/new.txt', 'public/uploads/']
    expect(await written()).toEqual([{ release: first, paths: expect.arrayContaining(paths), count: 3 }])
    expect(await written()).toEqual([])
  })

  test('at once, though the last workers of the release still drain', async () => {
    const first = await deploy(1)
    write(first, 'public/uploads/a.png')
    await deploy(2)
    const worker = spawn('sleep', ['1000'], { cwd: releaseDirectory(layout, first) })
    try {
      await once(worker, 'spawn')
      expect(await written()).toMatchObject([{ release: first }])
    } finally {
      worker.kill('SIGKILL')
    }
  })

  test('again where the release has served again', async () => {
    const [first, second] = [await deploy(1), await deploy(2)]
    expect(await written()).toEqual([])
    await activate(first)
    write(first, 'public/uploads/a.png')
    await activate(second)
    expect(await written()).toEqual([{ release: first, paths: ['public/uploads/'], count: 1 }])
  })

  test('what it cannot look into', async () => {
    const first = await deploy(1)
    write(first, 'secret/key')
    const closed = join(releaseDirectory(layout, first), 'secret')
    chmodSync(closed, 0)
    await deploy(2)
    expect(await written()).toEqual([{ release: first, paths: ['secret/'], count: 1 }])
    chmodSync(closed, 0o755)
  })

  test('no more than a few of many, and how many there are', async () => {
    const first = await deploy(1)
    for (let number = 0; number < 50; number += 1) write(first, `public/${number}.png`)
    await deploy(2)
    const [report] = await written()
    expect(report).toMatchObject({ release: first, count: 50 })
    expect(report!.paths).toHaveLength(20)
  })

  test('before it removes them: the release stays until the cleanup after that', async () => {
    const first = await deploy(1)
    write(first, 'public/uploads/a.png')
    await deploy(2)
    await deploy(3)
    const { removed, written } = await cleanUp(layout, 1)
    expect({ removed, written }).toMatchObject({ removed: [], written: [{ release: first }] })
    expect((await cleanUp(layout, 1)).removed).toEqual([first])
  })
})

describe('a cleanup does not report', () => {
  test('what the build, Next.js, PM2 and the agent put into a release', async () => {
    const first = await deploy(1)
    write(first, '.next/server/app/index.html', '<h1>two</h1>')
    write(first, '.next/cache/images/a.webp')
    write(first, '.next/server/route-cache/x.body')
    write(first, 'node_modules/.cache/x')
    await deploy(2)
    await activate(first)
    expect(existsSync(join(releaseDirectory(layout, first), '.next/static/2.js'))).toBe(true)
    await deploy(3)
    expect(await written()).toEqual([])
  })

  test('what lives in shared', async () => {
    const first = await deploy(1, ['public/uploads', 'data'])
    write(first, 'public/uploads/a.png')
    await deploy(2, ['public/uploads', 'data'])
    expect(await written()).toEqual([])
  })

  test('what the live release has just so, such as a sitemap that each makes when it boots', async () => {
    const first = await deploy(1)
    write(first, 'public/sitemap.xml')
    const second = await deploy(2)
    write(second, 'public/sitemap.xml')
    expect(await written()).toEqual([])
  })

  test('what a candidate wrote that never served', async () => {
    const id = await upload(1)
    write(id, 'public/uploads/a.png')
    await deploy(2)
    expect(await cleanUp(layout, 5)).toMatchObject({ removed: [id], written: [] })
  })

  test('anything of a release whose papers cannot be read', async () => {
    const first = await deploy(1)
    write(first, 'public/uploads/a.png')
    writeFileSync(releaseFiles(releaseDirectory(layout, first)).manifest, 'no manifest')
    await deploy(2)
    expect(await written()).toEqual([])
  })
})
