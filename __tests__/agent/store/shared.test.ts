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
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import type { Layout } from '../../../src/agent/store/layout.ts'
import { removeRelease } from '../../../src/agent/store/releases.ts'
import { linkShared } from '../../../src/agent/store/shared.ts'
import { failureOf } from '../../support/failure.ts'
import { flushedBy } from '../../support/flushed.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { newLayout, writeRelease } from '../releases-on-disk.ts'

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

test('what the first release brings is flushed before it is shared: it is never sent again', async () => {
  const layout = newLayout(folder())
  const building = incoming(layout, '1', { 'data/a/b.txt': 'b', '.env': 'A=1' })
  const flushed = await flushedBy(() =>
    linkShared(layout, building, '.', { sharedDirs: ['data'], sharedFiles: ['.env'] }),
  )
  const names = flushed.map((path) => relative(layout.shared, path).replace(/\.[0-9a-f]{12}(?=\/|$)/, ''))
  expect([...names].sort()).toEqual(['', '', '.env', 'data', 'data/a', 'data/a/b.txt'])
})

describe('what the release brings at a shared path that is there already', () => {
  const paths = { sharedDirs: ['data'], sharedFiles: ['.env'] }
  async function second(files: Readonly<Record<string, string>>): Promise<readonly string[]> {
    const layout = newLayout(folder())
    await linkShared(layout, incoming(layout, '1', { 'data/a/b.txt': 'b', '.env': 'A=1' }), '.', paths)
    writeFileSync(join(layout.shared, 'data/photo.jpg'), 'by a visitor')
    return linkShared(layout, incoming(layout, '2', files), '.', paths)
  }

  test('is no loss where the shared content has it', async () => {
    expect(await second({ 'data/a/b.txt': 'b', '.env': 'A=1' })).toEqual([])
    expect(await second({})).toEqual([])
  })

  test.each([
    ['another file', { 'data/a/c.txt': 'c' }, ['data']],
    ['a file of another size', { 'data/a/b.txt': 'bb', '.env': 'A=1\nB=2' }, ['data', '.env']],
    ['a file where a folder is', { 'data/a': 'file' }, ['data']],
  ])('is told: %s', async (_, files, expected) => {
    expect(await second(files)).toEqual(expected)
  })
})

describe('links and kinds', () => {
  const dirs = (...sharedDirs: string[]) => ({ sharedDirs, sharedFiles: [] })

  test('a link of the release above the shared path is followed', async () => {
    const layout = newLayout(folder())
    const building = incoming(layout, '1', { 'real/deep/x': '' })
    symlinkSync('real/deep', join(building, 'public'))
    await linkShared(layout, building, '.', dirs('public/uploads'))
    const release = commit(layout, building, '1')
    writeFileSync(join(release, 'public/uploads/photo.jpg'), 'photo')
    expect(readFileSync(join(layout.shared, 'public/uploads/photo.jpg'), 'utf8')).toBe('photo')
  })

  test('a link of the release at the shared path gives what it points at', async () => {
    const layout = newLayout(folder())
    const building = incoming(layout, '1', { 'seed/a.txt': 'a' })
    symlinkSync('seed', join(building, 'data'))
    await linkShared(layout, building, '.', dirs('data'))
    expect(readFileSync(join(layout.shared, 'data/a.txt'), 'utf8')).toBe('a')
    expect(readFileSync(join(building, 'seed/a.txt'), 'utf8')).toBe('a')
  })

  test.each([
    ['above', 'out', 'out/uploads'],
    ['at', 'out', 'out'],
  ])('a link out of the release %s the shared path is refused', async (_, link, path) => {
    const layout = newLayout(folder())
    const elsewhere = folder()
    writeFileSync(join(elsewhere, 'kept'), 'mine')
    const building = incoming(layout, '1', {})
    symlinkSync(elsewhere, join(building, link))
    expect(await failureOf(linkShared(layout, building, '.', dirs(path)))).toMatchObject({
      code: 'shared-path-unusable',
    })
    expect(existsSync(layout.shared)).toBe(false)
    expect(readdirSync(elsewhere)).toContain('kept')
  })

  test('the shared folder may be a link of the user’s to another disk; to nothing it is refused', async () => {
    const layout = newLayout(folder())
    const disk = folder()
    mkdirSync(layout.shared)
    symlinkSync(disk, join(layout.shared, 'data'))
    const building = incoming(layout, '1', {})
    await linkShared(layout, building, '.', dirs('data'))
    writeFileSync(join(commit(layout, building, '1'), 'data/x'), 'x')
    expect(readdirSync(disk)).toEqual(['x'])

    symlinkSync(join(disk, 'gone'), join(layout.shared, 'other'))
    const failure = await failureOf(linkShared(layout, incoming(layout, '2', {}), '.', dirs('other')))
    expect(failure.code).toBe('shared-path-unusable')
  })

  test('a file is not taken for a folder, nor a folder for a file, on either side', async () => {
    const layout = newLayout(folder())
    const code = 'shared-path-unusable'
    const files = { sharedDirs: [], sharedFiles: ['data'] }
    const one = incoming(layout, '1', { data: 'a file' })
    expect(await failureOf(linkShared(layout, one, '.', dirs('data')))).toMatchObject({ code })
    const two = incoming(layout, '2', { 'data/a': '' })
    expect(await failureOf(linkShared(layout, two, '.', files))).toMatchObject({ code })
    mkdirSync(join(layout.shared, 'data'), { recursive: true })
    expect(await failureOf(linkShared(layout, incoming(layout, '3', {}), '.', files))).toMatchObject({ code })
  })

  test('removing a release leaves what is shared', async () => {
    const layout = newLayout(folder())
    const id = '20261120000001'
    const building = incoming(layout, id, { 'data/a': 'a', '.env': 'A=1' })
    await linkShared(layout, building, '.', { sharedDirs: ['data'], sharedFiles: ['.env'] })
    commit(layout, building, id)
    writeRelease(layout, id)
    await removeRelease(layout, id)
    expect(existsSync(join(layout.releases, id))).toBe(false)
    expect(readFileSync(join(layout.shared, 'data/a'), 'utf8')).toBe('a')
    expect(readFileSync(join(layout.shared, '.env'), 'utf8')).toBe('A=1')
  })
})
