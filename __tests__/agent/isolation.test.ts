/** A release that starts, fails or waits changes not a byte of the one that serves. */
import { openSync, closeSync, readFileSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { checkIntegrity } from '../../src/agent/store/integrity.ts'
import { type Layout, layoutOf } from '../../src/agent/store/layout.ts'
import { temporaryFolders } from '../support/folder.ts'
import { uploaded } from './uploaded.ts'

const folder = temporaryFolders()
let layout: Layout

beforeEach(() => {
  layout = layoutOf(join(folder(), 'app'))
})

const site = {
  '.gapless/launcher.cjs': '// the launcher',
  '.next/server/app/index.html': '<h1>one</h1>',
  '.next/server/chunks/1.js': 'chunk',
  '.next/static/main.js': 'main',
  'data.db': 'rows',
  'node_modules/empty/index.js': '',
  'node_modules/next/package.json': '{}',
  'package.json': '{"type":"commonjs"}',
  'public/config.json': '{"release":"as built"}',
  'public/empty.txt': '',
  'public/main-copy.js': 'main',
  'server.js': 'require("next")',
}
const code = [
  '.next/server/chunks/1.js',
  '.next/static/main.js',
  'node_modules/empty/index.js',
  'node_modules/next/package.json',
  'server.js',
]
const others = Object.keys(site).filter((path) => !code.includes(path))

/** As an app that opens a file of its release for writing, in place. */
function write(file: string, text: string): void {
  const handle = openSync(file, 'r+')
  truncateSync(file)
  writeSync(handle, text)
  closeSync(handle)
}

const inode = (directory: string, path: string) => statSync(join(directory, path)).ino
const time = (directory: string, path: string) => statSync(join(directory, path)).mtimeMs

describe('a candidate', () => {
  test.each(others)('that writes %s changes nothing of the live release', async (path) => {
    const live = await uploaded(layout, folder(), site)
    const candidate = await uploaded(layout, folder(), site)
    write(join(candidate.directory, path), 'written by the candidate')
    for (const [each, content] of Object.entries(site)) {
      expect([each, readFileSync(join(live.directory, each), 'utf8')]).toEqual([each, content])
    }
    expect(await checkIntegrity(layout, live.id)).toMatchObject({ repaired: [], changed: [] })
  })

  test('shares the code of the live release, which costs no room', async () => {
    const { 'public/empty.txt': _, 'public/main-copy.js': __, ...contents } = site
    const live = await uploaded(layout, folder(), contents)
    const candidate = await uploaded(layout, folder(), contents)
    const shared = Object.keys(contents).filter(
      (path) => inode(live.directory, path) === inode(candidate.directory, path),
    )
    expect(shared.sort()).toEqual(code)
  })

  test('does not get code through the inode of an upload that has the same content', async () => {
    const { '.next/static/main.js': _, ...without } = site
    const live = await uploaded(layout, folder(), without)
    const candidate = await uploaded(layout, folder(), site)
    write(join(live.directory, 'public/main-copy.js'), 'written by the live release')
    expect(readFileSync(join(candidate.directory, '.next/static/main.js'), 'utf8')).toBe('main')
    await checkIntegrity(layout, candidate.id)
  })
})

describe('the time of a file that did not change', () => {
  test('is that of its first upload in every later release', async () => {
    const first = await uploaded(layout, folder(), site, { id: '20260101000001' })
    expect(new Set(Object.keys(site).map((path) => time(first.directory, path)))).toEqual(
      new Set([Date.UTC(2026, 0, 1, 0, 0, 1)]),
    )
    const second = await uploaded(
      layout,
      folder(),
      { ...site, 'public/new.txt': 'new' },
      { id: '20260101000002' },
    )
    const third = await uploaded(
      layout,
      folder(),
      { ...site, 'public/new.txt': 'new' },
      { id: '20260101000003' },
    )
    for (const path of Object.keys(site))
      expect(time(third.directory, path)).toBe(time(first.directory, path))
    expect(time(third.directory, 'public/new.txt')).toBe(time(second.directory, 'public/new.txt'))
  })

  test('is the same on several hosts, also of a large file and in `shared`', async () => {
    const hosts = [layout, layoutOf(join(folder(), 'app'))]
    const contents = {
      ...site,
      'public/large.bin': Buffer.alloc(300_000),
      'uploads/first.txt': 'of the build',
    }
    const options = { id: '20260101000001', sharedDirs: ['uploads'] }
    const [one, two] = await Promise.all(
      hosts.map(async (host) => (await uploaded(host, folder(), contents, options)).directory),
    )
    for (const path of Object.keys(contents)) expect(time(one!, path)).toBe(time(two!, path))
  })
})

test('a release is made of nothing that the live one wrote into its own files', async () => {
  const live = await uploaded(layout, folder(), site)
  writeFileSync(join(live.directory, 'public/config.json'), '{"release":"on air..."}')
  const next = await uploaded(layout, folder(), site)
  expect(readFileSync(join(next.directory, 'public/config.json'), 'utf8')).toBe(site['public/config.json'])
})
