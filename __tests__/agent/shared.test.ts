import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import type { Layout } from '../../src/agent/layout.ts'
import { linkShared } from '../../src/agent/shared.ts'
import { temporaryFolders } from '../support/folder.ts'
import { newLayout } from './releases-on-disk.ts'

const folder = temporaryFolders()

/** A release while it is built, with these files; as in upload.ts, it is moved to `releases` afterwards. */
function incoming(layout: Layout, id: string, files: Readonly<Record<string, string>>): string {
  const directory = join(layout.incoming, id)
  mkdirSync(directory)
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  return directory
}

function commit(layout: Layout, directory: string, id: string): string {
  renameSync(directory, join(layout.releases, id))
  return join(layout.releases, id)
}

describe('a shared folder', () => {
  test('begins with what the first release brings, and outlasts it', async () => {
    const layout = newLayout(folder())
    const paths = { sharedDirs: ['public/uploads'], sharedFiles: [] }

    const building = incoming(layout, '1', { 'public/uploads/seed.txt': 'seed' })
    await linkShared(layout, building, '.', paths)
    const one = commit(layout, building, '1')
    writeFileSync(join(one, 'public/uploads/photo.jpg'), 'by a visitor')

    const next = incoming(layout, '2', { 'public/uploads/seed.txt': 'another seed' })
    await linkShared(layout, next, '.', paths)
    const two = commit(layout, next, '2')

    expect(readFileSync(join(two, 'public/uploads/photo.jpg'), 'utf8')).toBe('by a visitor')
    expect(readFileSync(join(two, 'public/uploads/seed.txt'), 'utf8')).toBe('seed')
    expect(readdirSync(join(layout.shared, 'public/uploads')).sort()).toEqual(['photo.jpg', 'seed.txt'])
  })

  test('is empty where no release brings one', async () => {
    const layout = newLayout(folder())
    const building = incoming(layout, '1', {})
    await linkShared(layout, building, '.', { sharedDirs: ['data'], sharedFiles: [] })
    expect(readdirSync(join(commit(layout, building, '1'), 'data'))).toEqual([])
  })

  test('keeps links in it as they are', async () => {
    const layout = newLayout(folder())
    const building = incoming(layout, '1', { 'data/a': 'a' })
    symlinkSync('a', join(building, 'data/b'))
    await linkShared(layout, building, '.', { sharedDirs: ['data'], sharedFiles: [] })
    expect(readlinkSync(join(layout.shared, 'data/b'))).toBe('a')
  })

  test('stands beside server.js in a workspace, too', async () => {
    const layout = newLayout(folder())
    const building = incoming(layout, '1', { 'apps/web/server.js': '' })
    await linkShared(layout, building, 'apps/web', { sharedDirs: ['public/uploads'], sharedFiles: [] })
    const release = commit(layout, building, '1')
    writeFileSync(join(release, 'apps/web/public/uploads/photo.jpg'), 'by a visitor')
    expect(readFileSync(join(layout.shared, 'public/uploads/photo.jpg'), 'utf8')).toBe('by a visitor')
  })

  test('is reached by a relative link: the app’s folder can be moved as a whole', async () => {
    const parent = folder()
    const layout = newLayout(parent)
    const building = incoming(layout, '1', {})
    await linkShared(layout, building, '.', { sharedDirs: ['data'], sharedFiles: [] })
    commit(layout, building, '1')
    renameSync(layout.base, join(parent, 'moved'))
    expect(existsSync(join(parent, 'moved/releases/1/data'))).toBe(true)
  })

  test('may be prepared by the user before the first deploy', async () => {
    const layout = newLayout(folder())
    mkdirSync(join(layout.shared, 'data'), { recursive: true })
    writeFileSync(join(layout.shared, 'data/kept'), 'mine')
    const building = incoming(layout, '1', { 'data/kept': 'of the release' })
    await linkShared(layout, building, '.', { sharedDirs: ['data'], sharedFiles: [] })
    expect(readFileSync(join(commit(layout, building, '1'), 'data/kept'), 'utf8')).toBe('mine')
  })
})

describe('a shared file', () => {
  test('is the first release’s own, apart from the releases that have the same file by a hard link', async () => {
    const layout = newLayout(folder())
    const building = incoming(layout, '1', { 'db.sqlite': 'begun' })
    linkSync(join(building, 'db.sqlite'), join(layout.incoming, 'the same file elsewhere'))
    await linkShared(layout, building, '.', { sharedDirs: [], sharedFiles: ['db.sqlite'] })
    const release = commit(layout, building, '1')
    writeFileSync(join(release, 'db.sqlite'), 'written at run time')

    expect(readFileSync(join(layout.shared, 'db.sqlite'), 'utf8')).toBe('written at run time')
    expect(readFileSync(join(layout.incoming, 'the same file elsewhere'), 'utf8')).toBe('begun')
  })

  test('that nobody brings is empty and only for the user', async () => {
    const layout = newLayout(folder())
    const building = incoming(layout, '1', {})
    await linkShared(layout, building, '.', { sharedDirs: [], sharedFiles: ['config/.env.local'] })
    const file = join(commit(layout, building, '1'), 'config/.env.local')
    expect(readFileSync(file, 'utf8')).toBe('')
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })
})
