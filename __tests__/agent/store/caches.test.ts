import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from '@jest/globals'
import { keepCaches } from '../../../src/agent/store/caches.ts'
import { releaseFiles } from '../../../src/agent/store/layout.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { listing } from '../../support/listing.ts'
import { newLayout, runtimeWith, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const id = '20260101000001'
const page = '.next/server/app/index.html'

/** A release with a prerendered page, code beside it, a fetched entry, and a public file. */
function release(sharedDirs: readonly string[] = []) {
  const layout = newLayout(folder())
  const directory = writeRelease(layout, id)
  const files = releaseFiles(directory)
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  const uploaded = [page, '.next/server/app/page.js', '.next/cache/fetch-cache/a', 'public/logo.svg']
  for (const path of uploaded) write(path, `uploaded ${path}`)
  utimesSync(join(directory, page), 1000, 1000)
  const entries = uploaded.map((path) =>
    JSON.stringify({ kind: 'file', path, mode: 0o644, size: 9 + path.length, hash: 'a'.repeat(64) }),
  )
  writeFileSync(files.manifest, `${entries.join('\n')}\n`)
  writeFileSync(files.runtime, JSON.stringify(runtimeWith({ sharedDirs: [...sharedDirs] })))
  return { layout, directory, write, read: (path: string) => readFileSync(join(directory, path), 'utf8') }
}

test('what is written into the caches is undone: in place, beside, or removed', async () => {
  const { layout, directory, write, read } = release()
  const before = listing(directory)
  const putBack = await keepCaches(layout, id)
  write(page, 'rendered for a test')
  write('.next/server/app/other.html', 'new')
  write('.next/server/route-cache/deep/entry', 'new')
  write('.next/cache/images/x/y.webp', 'new')
  await putBack()
  expect(read(page)).toBe(`uploaded ${page}`)
  expect(statSync(join(directory, page)).mtimeMs).toBe(1_000_000)
  for (const path of [
    '.next/server/app/other.html',
    '.next/server/route-cache/deep/entry',
    '.next/cache/images/x/y.webp',
  ])
    expect(existsSync(join(directory, path))).toBe(false)
  // Without inodes.
  const files = (lines: readonly string[]) =>
    lines.filter((line) => /[0-9a-f]{64}$/.test(line)).map((line) => line.replace(/ \d+ (?=\w{64}$)/, ' '))
  expect(files(listing(directory))).toEqual(files(before))
})

test('what the app writes elsewhere stays: it may be what it works with', async () => {
  const { layout, write, read } = release()
  const putBack = await keepCaches(layout, id)
  write('public/logo.svg', 'changed')
  write('data.db', 'rows')
  await putBack()
  expect([read('public/logo.svg'), read('data.db')]).toEqual(['changed', 'rows'])
})

test('a cache that the live release shares is left alone', async () => {
  const { layout, directory, read } = release(['.next/server/route-cache'])
  const theirs = join(layout.shared, 'route-cache')
  mkdirSync(theirs, { recursive: true })
  writeFileSync(join(theirs, 'entry'), 'theirs')
  symlinkSync(theirs, join(directory, '.next/server/route-cache'))
  const putBack = await keepCaches(layout, id)
  await putBack()
  expect(read('.next/server/route-cache/entry')).toBe('theirs')
})

test('a link in the place of a cache is not followed', async () => {
  const { layout, directory, write } = release()
  const elsewhere = folder()
  writeFileSync(join(elsewhere, 'precious'), 'x')
  const putBack = await keepCaches(layout, id)
  write('.next/server/route-cache/own', 'new')
  symlinkSync(elsewhere, join(directory, '.next/server/route-cache/link'))
  await putBack()
  expect(existsSync(join(elsewhere, 'precious'))).toBe(true)
})
