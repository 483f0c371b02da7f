import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { checkIntegrity } from '../../../src/agent/store/integrity.ts'
import { type Layout, layoutOf, releaseDirectory, releaseFiles } from '../../../src/agent/store/layout.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { uploaded } from '../uploaded.ts'

const folder = temporaryFolders()
let layout: Layout
let id: string

const content = {
  '.gapless/launcher.cjs': '// the launcher',
  '.next/cache/page.html': 'rewritten at run time',
  'data/of-the-build.txt': 'shared',
  'node_modules/.bin/next': { link: '../next/bin' },
  'public/config.json': '{"of":"the build"}',
  'server.js': '// the server',
}
const options = { id: '20260101000001', sharedDirs: ['data'] }

beforeEach(async () => {
  layout = layoutOf(join(folder(), 'app'))
  id = (await uploaded(layout, folder(), content, options)).id
})

const at = (path: string, release = id) => join(releaseDirectory(layout, release), path)
const text = (path: string, release = id) => readFileSync(at(path, release), 'utf8')
const next = async () => (await uploaded(layout, folder(), content, { sharedDirs: ['data'] })).id

/** As a disk does that loses what was written: the file's time stays. */
function damage(file: string, bytes = 'damaged'): void {
  const { mtime } = statSync(file)
  // Not in place: other releases share the inode.
  rmSync(file)
  writeFileSync(file, bytes)
  utimesSync(file, mtime, mtime)
}

describe('checkIntegrity', () => {
  test('accepts a release whose app wrote where it may, and whose shared paths are links', async () => {
    writeFileSync(at('.next/cache/page.html'), 'written at run time')
    writeFileSync(at('data/of-the-build.txt'), 'written by the app')
    expect(await checkIntegrity(layout, id)).toEqual({ files: 4, bytes: 67, repaired: [], changed: [] })
  })
})

describe('a file that the app wrote', () => {
  test('is reported and stays, even where another release has the original', async () => {
    await next()
    writeFileSync(at('public/config.json'), '{"of":"the app"}')
    expect(await checkIntegrity(layout, id, true)).toMatchObject({
      repaired: [],
      changed: ['public/config.json'],
    })
    expect(text('public/config.json')).toBe('{"of":"the app"}')
  })

  test('may be a folder or a link in the place of a file', async () => {
    rmSync(at('public/config.json'))
    mkdirSync(at('public/config.json'))
    expect(await checkIntegrity(layout, id, true)).toMatchObject({ changed: ['public/config.json'] })
    rmSync(at('public/config.json'), { recursive: true })
    symlinkSync('elsewhere', at('public/config.json'))
    expect(await checkIntegrity(layout, id, true)).toMatchObject({ changed: ['public/config.json'] })
    expect(readlinkSync(at('public/config.json'))).toBe('elsewhere')
  })
})

describe('a file outside of code', () => {
  test.each([
    ['is damaged', () => damage(at('public/config.json'))],
    ['is missing', () => rmSync(at('public/config.json'))],
    ['is missing with its folder', () => rmSync(at('public'), { recursive: true })],
  ])('that %s is restored from another release, with its modification time', async (_, harm) => {
    const { mtimeMs } = statSync(at('public/config.json'))
    const other = await next()
    harm()
    expect(await checkIntegrity(layout, id)).toMatchObject({ repaired: ['public/config.json'], changed: [] })
    expect(await checkIntegrity(layout, id, true)).toMatchObject({
      repaired: ['public/config.json'],
      changed: [],
    })
    expect(text('public/config.json')).toBe(content['public/config.json'])
    expect(statSync(at('public/config.json')).mtimeMs).toBe(mtimeMs)
    expect(statSync(at('public/config.json')).ino).not.toBe(statSync(at('public/config.json', other)).ino)
    expect(await checkIntegrity(layout, id)).toMatchObject({ repaired: [], changed: [] })
  })

  test('that is missing everywhere is reported, and does not fail the check', async () => {
    rmSync(at('public/config.json'))
    rmSync(at('.next/cache/page.html'))
    expect(await checkIntegrity(layout, id, true)).toMatchObject({
      repaired: [],
      changed: ['.next/cache/page.html', 'public/config.json'],
    })
  })

  test('is not restored through a folder that became a link', async () => {
    await next()
    const theirs = folder()
    renameSync(at('public'), join(theirs, 'before'))
    symlinkSync(theirs, at('public'))
    expect(await checkIntegrity(layout, id, true)).toMatchObject({
      repaired: [],
      changed: ['public/config.json'],
    })
    expect(existsSync(join(theirs, 'config.json'))).toBe(false)
  })
})

describe('code', () => {
  const damages: readonly (readonly [string, () => void])[] = [
    ['was modified', () => damage(at('server.js'), '// a server??')],
    ['was written', () => (rmSync(at('server.js')), writeFileSync(at('server.js'), 'written'))],
    ['is missing', () => rmSync(at('server.js'))],
  ]

  test.each(damages)('that %s is restored from another release', async (_, harm) => {
    await next()
    harm()
    expect(await checkIntegrity(layout, id, true)).toMatchObject({ repaired: ['server.js'], changed: [] })
    expect(text('server.js')).toBe(content['server.js'])
  })

  test('is not restored without `repair`', async () => {
    await next()
    rmSync(at('server.js'))
    expect(await checkIntegrity(layout, id)).toMatchObject({ repaired: ['server.js'] })
    expect(existsSync(at('server.js'))).toBe(false)
  })

  test('is not taken from a release that lacks it too', async () => {
    const other = await next()
    damage(at('server.js'))
    damage(at('server.js', other), '// a server??')
    expect(await failureOf(checkIntegrity(layout, id, true))).toMatchObject({ code: 'release-damaged' })
    expect(text('server.js')).toBe('damaged')
  })

  test('that was a link becomes a link again', async () => {
    rmSync(at('node_modules/.bin/next'))
    writeFileSync(at('node_modules/.bin/next'), '')
    expect(await checkIntegrity(layout, id, true)).toMatchObject({ repaired: ['node_modules/.bin/next'] })
    expect(lstatSync(at('node_modules/.bin/next')).isSymbolicLink()).toBe(true)
  })

  test.each(damages)(
    'that %s, and that no other release has, fails with release-damaged',
    async (what, harm) => {
      harm()
      expect(await failureOf(checkIntegrity(layout, id, true))).toMatchObject({
        code: 'release-damaged',
        message: expect.stringContaining(`server.js" ${what === 'was written' ? 'was modified' : what}`),
      })
    },
  )
})

describe('a release fails with release-damaged', () => {
  const manifest = () => releaseFiles(releaseDirectory(layout, id)).manifest
  test.each([
    ['is missing', () => rmSync(manifest())],
    ['was modified', () => writeFileSync(manifest(), '')],
    [
      'was modified',
      () => {
        // The launcher's line is among those that are left.
        writeFileSync(manifest(), readFileSync(manifest(), 'utf8').replace(/\n[^]*/, '\n'))
        writeFileSync(at('server.js'), 'damaged')
      },
    ],
  ])('when its manifest %s', async (what, harm) => {
    harm()
    expect(await failureOf(checkIntegrity(layout, id))).toMatchObject({
      code: 'release-damaged',
      message: `Release "${id}" is damaged: "${manifest()}" ${what}.`,
    })
  })
})
