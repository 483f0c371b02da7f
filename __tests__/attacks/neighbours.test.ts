/** Other users of the server: what they plant in the way is neither followed nor used. Needs root, to be them. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { type Layout, layoutOf, makeFolders } from '../../src/agent/store/layout.ts'
import { linkShared } from '../../src/agent/store/shared.ts'
import { assertTrusted } from '../../src/agent/store/trust.ts'
import { closeToOthers } from '../../src/agent/system/umask.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { record } from './attack.ts'

const folder = temporaryFolders()
const STRANGER = 65_534
const asRoot = process.getuid?.() === 0 ? describe : describe.skip
const surface = 'Neighbours: links, folders and permissions'

function site(): Layout {
  const layout = layoutOf(join(folder(), 'site'))
  makeFolders(layout)
  mkdirSync(layout.shared)
  return layout
}

function release(layout: Layout, files: Readonly<Record<string, string>> = {}): string {
  const directory = join(layout.incoming, '20260101000001')
  mkdirSync(join(directory, 'public'), { recursive: true })
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
  return directory
}

const share = (layout: Layout, directory: string, paths: { dirs?: string[]; files?: string[] }) =>
  linkShared(layout, directory, '.', { sharedDirs: paths.dirs ?? [], sharedFiles: paths.files ?? [] })

function plant(target: string, link: string): void {
  symlinkSync(target, link)
  lchownSync(link, STRANGER, STRANGER)
}

asRoot('another user', () => {
  test('plants a link for a shared folder, above it, and for a shared file', async () => {
    const victim = folder()
    for (const [path, at] of [
      ['uploads', 'uploads'],
      ['public/uploads', 'public'],
    ] as const) {
      const layout = site()
      plant(victim, join(layout.shared, at))
      expect(await failureOf(share(layout, release(layout), { dirs: [path] }))).toMatchObject({
        code: 'path-unsafe',
      })
    }
    const layout = site()
    plant(join(victim, 'not-there-yet'), join(layout.shared, 'data.db'))
    expect(await failureOf(share(layout, release(layout), { files: ['data.db'] }))).toMatchObject({
      code: 'path-unsafe',
    })
    expect(readdirSync(victim)).toEqual([])
    record(surface, 3, 0)
  })

  test('may write beside a shared path, and in it', async () => {
    const layout = site()
    mkdirSync(join(layout.shared, 'public/uploads'), { recursive: true })
    chmodSync(join(layout.shared, 'public/uploads'), 0o777)
    // That is the app's own business: what is in there is data.
    await share(layout, release(layout), { dirs: ['public/uploads'] })
    rmSync(join(layout.incoming, '20260101000001'), { recursive: true })
    chmodSync(join(layout.shared, 'public'), 0o777)
    expect(await failureOf(share(layout, release(layout), { dirs: ['public/uploads'] }))).toMatchObject({
      code: 'path-unsafe',
    })
    record(surface, 1, 0)
  })

  test('plants a link where the copy of the first release would be put aside', async () => {
    const [victim, layout] = [folder(), site()]
    plant(victim, join(layout.shared, 'uploads.new'))
    const directory = release(layout)
    mkdirSync(join(directory, 'uploads'))
    writeFileSync(join(directory, 'uploads/a'), 'of the app')
    await share(layout, directory, { dirs: ['uploads'] })
    expect(readdirSync(victim)).toEqual([])
    expect(readFileSync(join(layout.shared, 'uploads/a'), 'utf8')).toBe('of the app')
    record(surface, 1, 0)
  })

  test.each(['.', '.gapless', 'releases', 'shared'])('makes %s before the first deploy', async (name) => {
    const layout = layoutOf(join(folder(), 'site'))
    mkdirSync(layout.base)
    mkdirSync(join(layout.base, name), { recursive: true })
    chownSync(join(layout.base, name), STRANGER, STRANGER)
    expect(await failureOf(() => assertTrusted(layout))).toMatchObject({ code: 'path-unsafe' })
    record(surface, 1, 0)
  })

  test('puts a link of theirs in the place of `current`', async () => {
    const layout = site()
    mkdirSync(join(layout.releases, '20260101000001'))
    plant('releases/20260101000001', layout.current)
    expect(await failureOf(() => assertTrusted(layout))).toMatchObject({ code: 'path-unsafe' })
    record(surface, 1, 0)
  })

  test.each(['.gapless', 'releases', 'shared'])('may write in %s', async (name) => {
    const layout = site()
    chmodSync(join(layout.base, name), 0o1777)
    expect(await failureOf(() => assertTrusted(layout))).toMatchObject({
      code: 'path-unsafe',
      message: expect.stringContaining(join(layout.base, name)),
    })
    record(surface, 1, 0)
  })

  test('may write in the app’s folder, or in one above it', async () => {
    for (const above of [false, true]) {
      const outer = join(folder(), 'outer')
      const layout = layoutOf(join(outer, 'site'))
      mkdirSync(layout.base, { recursive: true })
      chmodSync(above ? outer : layout.base, 0o777)
      expect(await failureOf(() => assertTrusted(layout))).toMatchObject({
        code: 'path-unsafe',
        message: expect.stringContaining(above ? outer : layout.base),
      })
    }
    record(surface, 2, 0)
  })

  test('is nobody who made it as it should be, below /tmp', () => {
    const layout = site()
    chmodSync(layout.base, 0o775)
    assertTrusted(layout)
    const disk = folder()
    const other = layoutOf(join(folder(), 'site'))
    makeFolders(other)
    symlinkSync(disk, other.shared)
    assertTrusted(other)
    expect(existsSync(other.shared)).toBe(true)
  })

  test('may write in nothing that an activation makes, whatever the umask', () => {
    const before = process.umask(0)
    try {
      closeToOthers()
      const file = join(folder(), 'file')
      writeFileSync(file, '', { mode: 0o666 })
      expect((statSync(file).mode & 0o777).toString(8)).toBe('664')
      // A stricter one stays.
      process.umask(0o077)
      closeToOthers()
      expect(process.umask()).toBe(0o077)
    } finally {
      process.umask(before)
    }
    record(surface, 1, 0)
  })

  test('reads nothing of the tool’s own', () => {
    const layout = site()
    expect(statSync(layout.own).mode & 0o077).toBe(0)
    record(surface, 1, 0)
  })
})
