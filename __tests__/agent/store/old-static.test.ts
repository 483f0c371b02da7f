import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { cleanUp } from '../../../src/agent/operations/cleanup.ts'
import { type Layout, releaseFiles } from '../../../src/agent/store/layout.ts'
import { checkIntegrity } from '../../../src/agent/store/integrity.ts'
import { carryStatic } from '../../../src/agent/store/old-static.ts'
import { pointCurrentAt, readInfo } from '../../../src/agent/store/releases.ts'
import { sha256 } from '../../../src/common/hash-file.ts'
import { formatEntry } from '../../../src/protocol/manifest.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { manifestOf } from '../../support/tree.ts'
import { newLayout, writeRelease } from '../releases-on-disk.ts'

const folder = temporaryFolders()
const [ONE, TWO, THREE] = ['20261120000001', '20261120000002', '20261120000003'] as const
const at = (id: string) => `2026-11-20T00:00:0${id.at(-1)}.000Z`

/** A release with these files in its manifest and on disk. */
async function release(
  layout: Layout,
  id: string,
  contents: Readonly<Record<string, string>>,
  { verified = true, staticPath = '.next/static' }: { verified?: boolean; staticPath?: string | null } = {},
): Promise<string> {
  const directory = writeRelease(layout, id, verified ? at(id) : null)
  const { entries } = await manifestOf(directory, contents)
  const { manifest, info } = releaseFiles(directory)
  const lines = entries.map(formatEntry).join('')
  writeFileSync(manifest, lines)
  const { staticPath: _, ...read } = JSON.parse(readFileSync(info, 'utf8')) as Record<string, unknown>
  const before = { ...read, contentHash: sha256(Buffer.from(lines)) }
  writeFileSync(info, JSON.stringify(staticPath === null ? before : { ...before, staticPath }))
  return directory
}

const read = (directory: string, file: string) => readFileSync(join(directory, '.next/static', file), 'utf8')
const has = (directory: string, file: string) => existsSync(join(directory, '.next/static', file))
const inode = (directory: string, file: string) => statSync(join(directory, '.next/static', file)).ino

describe('the static files of other releases', () => {
  test('are there under their names, as hard links, and twice does nothing', async () => {
    const layout = newLayout(folder())
    const one = await release(layout, ONE, {
      '.next/static/chunks/a-1.js': 'one',
      '.next/static/media/p [1].png': 'png',
      'server.js': 'the server of one',
    })
    const two = await release(layout, TWO, { '.next/static/chunks/a-2.js': 'two' }, { verified: false })

    expect(await carryStatic(layout, TWO)).toEqual({ files: 2 })
    expect(read(two, 'chunks/a-1.js')).toBe('one')
    expect(inode(two, 'chunks/a-1.js')).toBe(inode(one, 'chunks/a-1.js'))
    expect(read(two, 'media/p [1].png')).toBe('png')
    expect(readFileSync(join(two, 'server.js'), 'utf8')).not.toBe('the server of one')
    expect(await carryStatic(layout, TWO)).toEqual({ files: 0 })
    // And back: visitors of the second release are there when the first comes back, if it ever served.
    expect(await carryStatic(layout, ONE)).toEqual({ files: 0 })
    await pointCurrentAt(layout, TWO)
    expect(await carryStatic(layout, ONE)).toEqual({ files: 1 })
    expect(read(one, 'chunks/a-2.js')).toBe('two')
  })

  test('are for others to read, such as nginx, whatever the umask', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/chunks/deep/a-1.js': 'one' })
    const two = await release(layout, TWO, { '.next/static/a-2.js': 'two' })
    const before = process.umask(0o077)
    try {
      await carryStatic(layout, TWO)
    } finally {
      process.umask(before)
    }
    const modes = ['chunks', 'chunks/deep', 'chunks/deep/a-1.js'].map(
      (path) => statSync(join(two, '.next/static', path)).mode & 0o777,
    )
    expect(modes).toEqual([0o755, 0o755, 0o644])
  })

  test('never take the place of the release’s own, and the newest of several wins', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, {
      '.next/static/build/_buildManifest.js': 'one',
      '.next/static/shared.js': 'one',
      '.next/static/chunks/app': 'a file where the third has a folder',
      '.next/static/lib/x.js': 'in a folder where the third has a file',
    })
    await release(layout, TWO, { '.next/static/shared.js': 'two!' })
    const three = await release(layout, THREE, {
      '.next/static/build/_buildManifest.js': 'three',
      '.next/static/chunks/app/page.js': 'three',
      '.next/static/lib': 'three',
    })
    expect(await carryStatic(layout, THREE)).toEqual({ files: 1 })
    expect(read(three, 'build/_buildManifest.js')).toBe('three')
    expect(read(three, 'shared.js')).toBe('two!')
    expect(read(three, 'chunks/app/page.js')).toBe('three')
    expect(read(three, 'lib')).toBe('three')
  })

  test('go when the release that was built with them goes', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' })
    await release(layout, TWO, { '.next/static/2.js': '2' })
    await carryStatic(layout, TWO)
    await pointCurrentAt(layout, TWO)
    rmSync(join(layout.releases, ONE), { recursive: true })
    const three = await release(layout, THREE, { '.next/static/3.js': '3' })
    expect(await carryStatic(layout, THREE)).toEqual({ files: 1 })
    expect({ 1: has(three, '1.js'), 2: has(three, '2.js') }).toEqual({ 1: false, 2: true })
  })

  test('outlast the cleanup of their release in the releases that have them already', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' })
    const three = await release(layout, THREE, { '.next/static/3.js': '3' })
    await release(layout, TWO, { '.next/static/2.js': '2' })
    await carryStatic(layout, THREE)
    await pointCurrentAt(layout, THREE)
    expect((await cleanUp(layout, 1)).removed).toEqual([ONE])
    expect({ 1: has(three, '1.js'), 2: has(three, '2.js') }).toEqual({ 1: true, 2: true })
  })

  test('come to the place where the release has its own, wherever that is', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' })
    const options = { staticPath: 'apps/web/out/next/static' }
    const two = await release(layout, TWO, { 'apps/web/out/next/static/2.js': '2' }, options)
    expect(await carryStatic(layout, TWO)).toEqual({ files: 1 })
    expect(readFileSync(join(two, 'apps/web/out/next/static/1.js'), 'utf8')).toBe('1')
  })

  test('do not harm the integrity of the release', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' })
    await release(layout, TWO, { '.next/static/2.js': '2' })
    await carryStatic(layout, TWO)
    expect(await checkIntegrity(layout, TWO)).toMatchObject({ files: 1, bytes: 1 })
  })
})

describe('nothing is carried', () => {
  test('from a release that never served', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' }, { verified: false })
    const two = await release(layout, TWO, { '.next/static/2.js': '2' })
    expect(await carryStatic(layout, TWO)).toEqual({ files: 0 })
    expect(has(two, '1.js')).toBe(false)
    // Unless somebody knows that it did, for a moment.
    expect(await carryStatic(layout, TWO, [ONE])).toEqual({ files: 1 })
  })

  test('from or into a release of before its static folder was known', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' }, { staticPath: null })
    await release(layout, TWO, { '.next/static/2.js': '2' })
    expect((await readInfo(layout, ONE)).staticPath).toBeNull()
    expect(await carryStatic(layout, TWO)).toEqual({ files: 0 })
    expect(await carryStatic(layout, ONE)).toEqual({ files: 0 })
  })

  test('of a file that is another size than it was, a link, or gone; what is whole is', async () => {
    const layout = newLayout(folder())
    const one = await release(layout, ONE, {
      '.next/static/cut.js': 'cut off',
      '.next/static/gone.js': 'gone',
      '.next/static/link.js': 'link',
      '.next/static/whole.js': 'whole',
    })
    writeFileSync(join(one, '.next/static/cut.js'), 'cut')
    rmSync(join(one, '.next/static/gone.js'))
    rmSync(join(one, '.next/static/link.js'))
    symlinkSync('/etc/passwd', join(one, '.next/static/link.js'))
    const two = await release(layout, TWO, { '.next/static/2.js': '2' })
    expect(await carryStatic(layout, TWO)).toEqual({ files: 1 })
    expect(read(two, 'whole.js')).toBe('whole')
  })

  test('of what a damaged manifest does not tell; the other releases still give theirs', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' })
    const two = await release(layout, TWO, { '.next/static/2.js': '2' })
    writeFileSync(releaseFiles(two).manifest, '{"kind":"file","path":"../../etc/cron.d/x"}\n')
    writeFileSync(join(layout.releases, TWO, '.gapless/verified.json'), '{')
    const three = await release(layout, THREE, { '.next/static/3.js': '3' })
    expect(await carryStatic(layout, THREE)).toEqual({ files: 1 })
    expect(read(three, '1.js')).toBe('1')
  })

  test('through a static folder that is a link to somewhere else', async () => {
    const layout = newLayout(folder())
    await release(layout, ONE, { '.next/static/1.js': '1' })
    const two = await release(layout, TWO, { '.next/static/2.js': '2' })
    const elsewhere = folder()
    rmSync(join(two, '.next/static'), { recursive: true })
    symlinkSync(elsewhere, join(two, '.next/static'))
    expect(await carryStatic(layout, TWO)).toEqual({ files: 0 })
    expect(existsSync(join(elsewhere, '1.js'))).toBe(false)
  })
})

test('five releases of a thousand files each take seconds at the most', async () => {
  const layout = newLayout(folder())
  for (let index = 1; index <= 5; index += 1) {
    const names = Array.from({ length: 1000 }, (_, file) => `.next/static/chunks/${index}-${file}.js`)
    const id = `2026112000000${index}`
    const directory = writeRelease(layout, id, at(id))
    for (const name of names) {
      mkdirSync(dirname(join(directory, name)), { recursive: true })
      writeFileSync(join(directory, name), name)
    }
    const hash = '0'.repeat(64)
    const lines = names.map((path) =>
      formatEntry({ kind: 'file', path, mode: 0o644, size: path.length, hash }),
    )
    writeFileSync(releaseFiles(directory).manifest, lines.join(''))
  }
  const six = '20261120000006'
  await release(layout, six, { '.next/static/own.js': '' })
  const begun = performance.now()
  expect(await carryStatic(layout, six)).toEqual({ files: 5000 })
  expect(performance.now() - begun).toBeLessThan(15_000)
}, 60_000)
