import { randomBytes } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { brotliCompressSync } from 'node:zlib'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { type Layout, layoutOf, releaseFiles } from '../../../src/agent/store/layout.ts'
import { checkIntegrity } from '../../../src/agent/store/integrity.ts'
import { liveRelease, readInfo, readRuntime } from '../../../src/agent/store/releases.ts'
import { createUploads, type Uploads } from '../../../src/agent/upload/upload.ts'
import { Failure } from '../../../src/common/failure.ts'
import { formatEntry } from '../../../src/protocol/manifest.ts'
import type { SourceFile } from '../../../src/transfer/manifest.ts'
import type { Manifest } from '../../../src/transfer/manifest.ts'
import { manifestStream } from '../../../src/transfer/stream.ts'
import { failureOf } from '../../support/failure.ts'
import { flushedBy, unflushable } from '../../support/flushed.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { type Content, manifestOf } from '../../support/tree.ts'
import { bodyOf, missingList, stage, type Staged, stageParams, stageParamsOf } from '../../support/upload.ts'
import { run, runtimeWith } from '../releases-on-disk.ts'

const folder = temporaryFolders()
let layout: Layout

beforeEach(() => {
  layout = layoutOf(join(folder(), 'app'))
})

const site = {
  'server.js': 'require("next")',
  'node_modules/next/package.json': '{}',
  'node_modules/.bin/next': { program: '#!/usr/bin/env node\n' },
  '.next/node_modules/sharp-1a2b': { link: '../../node_modules/sharp' },
  '.next/server/app/page.js': 'exports.page = 1',
  '.next/server/app/index.html': '<h1>one</h1>',
  'public/big.bin': randomBytes(300_000),
  'public/a name [with] (odd) $signs!.txt': 'odd',
  'public/empty.txt': '',
  'public/empty': { directory: true },
} satisfies Record<string, Content>

interface Uploaded {
  readonly staged: Staged
  readonly sent: readonly SourceFile[]
  readonly directory: string
}

const silent = () => undefined

const commitOf = (id: string, builtMsAgo = 0) => ({
  id,
  entry: 'server.js',
  staticPath: '.next/static',
  nextVersion: '16.4.6',
  builtMsAgo,
  run,
  runtime: runtimeWith(),
})

/** As the upload phase does it. */
async function upload(contents: Readonly<Record<string, Content>>, builtMsAgo = 0): Promise<Uploaded> {
  const uploads = createUploads(layout)
  const manifest = await manifestOf(folder(), contents)
  const staged = await stage(uploads, manifest)
  const sent = missingList(manifest, staged.missing)
  if (sent.length > 0) await uploads.fill(staged.id, sent.length, bodyOf(sent))
  const { path, missing } = await uploads.commit(commitOf(staged.id, builtMsAgo), silent)
  if (path !== null) return { staged, sent, directory: path }
  const again = missingList(manifest, missing)
  await uploads.fill(staged.id, again.length, bodyOf(again))
  const last = await uploads.commit(commitOf(staged.id), silent)
  return { staged, sent: [...sent, ...again], directory: last.path! }
}

async function staged(contents: Readonly<Record<string, Content>>): Promise<{
  readonly uploads: Uploads
  readonly manifest: Manifest
  readonly id: string
}> {
  const uploads = createUploads(layout)
  const manifest = await manifestOf(folder(), contents)
  const { id } = await stage(uploads, manifest)
  return { uploads, manifest, id }
}

const inode = (directory: string, path: string) => statSync(join(directory, path)).ino

/** Nothing of an upload is left: no release, and after the session's end nothing that was begun. */
async function expectNothingLeft(uploads: Uploads, releases: readonly string[] = []): Promise<void> {
  expect(readdirSync(layout.releases)).toEqual(releases)
  await uploads.abandon()
  expect(readdirSync(layout.incoming)).toEqual([])
}

test('contents are refused where nothing was staged', async () => {
  const uploads = createUploads(layout)
  const { files } = await manifestOf(folder(), site)
  const sent = uploads.fill('20260101000001', files.length, bodyOf(files))
  expect((await failureOf(sent)).code).toBe('no-such-upload')
})

test('both ends agree on where large files come', async () => {
  const large = (megabytes: number) => randomBytes(megabytes * 1024 * 1024 + 1)
  const { sent, directory } = await upload({
    'a-largest': large(2),
    'b-small': 'small',
    'c-large': large(1),
    'server.js': '//',
  })
  expect(sent.map(({ path }) => path)).toEqual(['a-largest', 'b-small', 'c-large', 'server.js'])
  const { files } = await checkIntegrity(layout, basename(directory))
  expect(files).toBe(4)
})

describe('the first upload', () => {
  test('sends every file, and makes a release of exactly what was there', async () => {
    const { staged, sent, directory } = await upload(site)
    expect(sent).toHaveLength(8)
    expect(staged).toMatchObject({ reusedBytes: 0 })

    for (const [path, content] of Object.entries(site)) {
      const file = join(directory, path)
      if (typeof content === 'string') expect(readFileSync(file, 'utf8')).toBe(content)
      else if (Buffer.isBuffer(content)) expect(readFileSync(file).equals(content)).toBe(true)
    }
    const integrity = await checkIntegrity(layout, staged.id)
    expect(integrity.files).toBe(8)
  })

  test('is flushed before it is a release, its manifest too', async () => {
    let directory = ''
    const flushed = await flushedBy(async () => ({ directory } = await upload(site)))
    const building = join(layout.incoming, basename(directory))
    const names = Object.entries(site).flatMap(([path, content]) =>
      typeof content === 'string' || Buffer.isBuffer(content) ? [path] : [],
    )
    for (const name of [...names, '.gapless/manifest.jsonl']) expect(flushed).toContain(join(building, name))
  })

  test('is none when a part of it could not be flushed, whatever came after that', async () => {
    const { uploads, manifest, id } = await staged({ ...site, 'public/last': 'last' })
    const { files } = manifest
    const failing = await unflushable((path) => path.endsWith(files[0]!.path))
    try {
      for (const file of files.slice(0, 3)) await uploads.fill(id, 1, bodyOf([file])).catch(() => undefined)
      await uploads.fill(id, files.length - 3, bodyOf(files.slice(3))).catch(() => undefined)
      await expect(uploads.commit(commitOf(id), silent)).rejects.toThrow()
    } finally {
      failing.end()
    }
    await expectNothingLeft(uploads)
  })

  test('keeps modes, links and empty folders', async () => {
    const { directory } = await upload(site)
    expect(statSync(join(directory, 'server.js')).mode & 0o777).toBe(0o644)
    expect(statSync(join(directory, 'node_modules/.bin/next')).mode & 0o777).toBe(0o755)
    expect(readlinkSync(join(directory, '.next/node_modules/sharp-1a2b'))).toBe('../../node_modules/sharp')
    expect(readdirSync(join(directory, 'public/empty'))).toEqual([])
  })

  test('knows by the server’s clock when its build began', async () => {
    const { staged } = await upload(site, 90_000)
    const { created, built } = await readInfo(layout, staged.id)
    expect(Date.parse(created) - Date.parse(built!)).toBe(90_000)
  })

  test('leaves its papers in the release: the environment for the user alone', async () => {
    const { staged, directory } = await upload(site)
    expect(await readInfo(layout, staged.id)).toMatchObject({
      id: staged.id,
      ...run,
      staticPath: '.next/static',
      nextVersion: '16.4.6',
    })
    expect(await readRuntime(layout, staged.id)).toEqual(runtimeWith())
    expect(statSync(releaseFiles(directory).runtime).mode & 0o777).toBe(0o600)
  })

  test('does not make it live', async () => {
    await upload(site)
    expect(await liveRelease(layout)).toBeNull()
  })

  test('leaves nothing else behind', async () => {
    await upload(site)
    expect(readdirSync(layout.incoming)).toEqual([])
  })
})

describe('the second upload', () => {
  test('of the same content sends nothing, and shares the code with the first', async () => {
    const first = await upload(site)
    const second = await upload(site)
    expect(second.sent).toEqual([])
    for (const path of ['server.js', 'node_modules/.bin/next', '.next/server/app/page.js']) {
      expect(inode(second.directory, path)).toBe(inode(first.directory, path))
    }
    expect((await checkIntegrity(layout, second.staged.id)).files).toBe(8)
  })

  test('sends what changed, and that alone', async () => {
    const first = await upload(site)
    const second = await upload({ ...site, 'server.js': 'require("next") // two', 'public/new.txt': 'new' })
    expect(second.sent.map(({ path }) => path)).toEqual(['server.js', 'public/new.txt'])
    expect(readFileSync(join(second.directory, 'server.js'), 'utf8')).toBe('require("next") // two')
    expect(readFileSync(join(first.directory, 'server.js'), 'utf8')).toBe('require("next")')
  })

  test('finds the content under another name', async () => {
    await upload(site)
    const { 'public/big.bin': big, ...rest } = site
    expect((await upload({ ...rest, 'public/renamed.bin': big })).sent).toEqual([])
  })

  test('copies what a running app may write: neither release sees the other’s pages', async () => {
    const first = await upload(site)
    const second = await upload(site)
    const page = '.next/server/app/index.html'
    expect(inode(second.directory, page)).not.toBe(inode(first.directory, page))
    // As Next 14 revalidates: in place.
    writeFileSync(join(second.directory, page), '<h1>regenerated</h1>')
    expect(readFileSync(join(first.directory, page), 'utf8')).toBe('<h1>one</h1>')
  })

  test('flushes what it copied before that is a release', async () => {
    await upload(site)
    let directory = ''
    const flushed = await flushedBy(async () => ({ directory } = await upload(site)))
    expect(flushed).toContain(join(layout.incoming, basename(directory), 'public/big.bin'))
  })

  test('sends a page again that the running app has rewritten', async () => {
    const first = await upload(site)
    writeFileSync(join(first.directory, '.next/server/app/index.html'), '<h1>regenerated</h1>')
    const second = await upload(site)
    expect(second.sent.map(({ path }) => path)).toEqual(['.next/server/app/index.html'])
    expect(readFileSync(join(second.directory, '.next/server/app/index.html'), 'utf8')).toBe('<h1>one</h1>')
  })

  test.each([
    ['of the same size', (file: string) => writeFileSync(file, 'require("evil")')],
    ['of another size', (file: string) => writeFileSync(file, 'requi')],
  ])('does not build on a file that was damaged on the server: %s', async (_, damage) => {
    const first = await upload(site)
    damage(join(first.directory, 'server.js'))
    const second = await upload(site)
    expect(second.sent.map(({ path }) => path)).toEqual(['server.js'])
    expect(readFileSync(join(second.directory, 'server.js'), 'utf8')).toBe('require("next")')
    expect(inode(second.directory, 'server.js')).not.toBe(inode(first.directory, 'server.js'))
  })

  test('does not give a program the mode of the file whose content it shares', async () => {
    await upload({ 'server.js': 'same' })
    const { directory } = await upload({ 'server.js': 'same', 'run.sh': { program: 'same' } })
    expect(statSync(join(directory, 'run.sh')).mode & 0o777).toBe(0o755)
    expect(statSync(join(directory, 'server.js')).mode & 0o777).toBe(0o644)
  })

  test('passes over a release whose manifest is gone', async () => {
    const first = await upload(site)
    writeFileSync(releaseFiles(first.directory).manifest, '{"kind":"fi')
    expect((await upload(site)).sent).toHaveLength(8)
  })
})

describe('an upload that breaks', () => {
  test.each([
    ['in the middle of the contents', 'upload-incomplete'],
    ['in the middle of a frame', 'connection-lost'],
  ])('%s leaves no release, and what came to the next upload', async (_, code) => {
    const { uploads, manifest, id } = await staged(site)
    async function* cut() {
      let left = 100_000
      for await (const chunk of bodyOf(manifest.files)) {
        yield chunk
        left -= chunk.length
        if (left < 0) throw new Failure(code, 'the connection ended')
      }
    }
    expect(await failureOf(uploads.fill(id, manifest.files.length, cut()))).toMatchObject({ code })
    expect(await failureOf(uploads.commit(commitOf(id), silent))).toMatchObject({ code: 'upload-incomplete' })
    expect(readdirSync(layout.releases)).toEqual([])
    await uploads.abandon()
    expect(readdirSync(layout.incoming)).toEqual([`${id}.interrupted`])
  })

  test('by an early end of the compressed stream leaves no release', async () => {
    const { uploads, manifest, id } = await staged(site)
    async function* short() {
      const chunks: Buffer[] = []
      for await (const chunk of bodyOf(manifest.files)) chunks.push(chunk)
      yield Buffer.concat(chunks).subarray(0, -10)
    }
    await expect(uploads.fill(id, manifest.files.length, short())).rejects.toThrow()
    await expectNothingLeft(uploads)
  })

  test('before its contents came leaves no release', async () => {
    const { uploads, id } = await staged(site)
    expect(await failureOf(uploads.commit(commitOf(id), silent))).toMatchObject({ code: 'upload-incomplete' })
    await expectNothingLeft(uploads)
  })

  test('in the manifest leaves nothing', async () => {
    const uploads = createUploads(layout)
    async function* garbage() {
      yield randomBytes(5000)
    }
    await expect(uploads.stage(stageParams, garbage())).rejects.toThrow()
    await expectNothingLeft(uploads)
  })

  test('does not touch the releases that are there', async () => {
    const first = await upload(site)
    const { uploads, id } = await staged({ ...site, 'server.js': 'two' })
    async function* nothing(): AsyncGenerator<Buffer, void, undefined> {}
    await expect(uploads.fill(id, 1, nothing())).rejects.toThrow()
    await expectNothingLeft(uploads, [first.staged.id])
    expect(readFileSync(join(first.directory, 'server.js'), 'utf8')).toBe('require("next")')
  })
})

describe('contents that are not what the manifest names are refused:', () => {
  const one = { 'a.txt': 'aaaa', 'b.txt': 'bbbb', 'server.js': '' }

  test('other bytes', async () => {
    const { uploads, manifest, id } = await staged(one)
    writeFileSync(manifest.files[0]!.source, 'AAAA')
    expect(await failureOf(uploads.fill(id, manifest.files.length, bodyOf(manifest.files)))).toMatchObject({
      code: 'upload-corrupt',
      message: expect.stringContaining('a.txt'),
    })
    await expectNothingLeft(uploads)
  })

  test('the right files in another order', async () => {
    const { uploads, manifest, id } = await staged(one)
    const failure = await failureOf(
      uploads.fill(id, manifest.files.length, bodyOf([...manifest.files].reverse())),
    )
    expect(failure.code).toBe('upload-corrupt')
    await expectNothingLeft(uploads)
  })

  test('too few', async () => {
    const { uploads, manifest, id } = await staged(one)
    const failure = await failureOf(
      uploads.fill(id, manifest.files.length, bodyOf(manifest.files.slice(0, 1))),
    )
    expect(failure).toMatchObject({ code: 'upload-incomplete', message: expect.stringContaining('b.txt') })
    expect(readdirSync(layout.releases)).toEqual([])
    await uploads.abandon()
  })

  test('too many', async () => {
    const { uploads, manifest, id } = await staged(one)
    const twice = [...manifest.files, manifest.files[0]!]
    expect(await failureOf(uploads.fill(id, manifest.files.length, bodyOf(twice)))).toMatchObject({
      code: 'upload-corrupt',
    })
    await expectNothingLeft(uploads)
  })

  test('a stream that is damaged on its way', async () => {
    const { uploads, manifest, id } = await staged(site)
    async function* damaged() {
      let first = true
      for await (const chunk of bodyOf(manifest.files)) {
        yield first ? chunk : randomBytes(chunk.length)
        first = false
      }
    }
    await expect(uploads.fill(id, manifest.files.length, damaged())).rejects.toThrow()
    expect(await failureOf(uploads.commit(commitOf(id), silent))).toMatchObject({ code: 'upload-incomplete' })
    await expectNothingLeft(uploads)
  })

  test('a path that leaves the release', async () => {
    const uploads = createUploads(layout)
    const entries = [
      { kind: 'file', path: '../../escaped', mode: 0o644, size: 0, hash: 'e'.repeat(64) },
    ] as const
    const bytes = brotliCompressSync(entries.map(formatEntry).join(''))
    expect(await failureOf(uploads.stage(stageParams, Readable.from([bytes])))).toMatchObject({
      code: 'unsafe-path',
    })
    expect(existsSync(join(layout.own, 'escaped'))).toBe(false)
    await expectNothingLeft(uploads)
  })
})

describe('an upload that takes up another', () => {
  const resume = async (contents: Readonly<Record<string, Content>>, id: string) => {
    const uploads = createUploads(layout)
    const manifest = await manifestOf(folder(), contents)
    const params = { ...stageParamsOf(manifest), id, resumes: true }
    return { uploads, manifest, staged: await uploads.stage(params, manifestStream(manifest, '')) }
  }

  test('has its id, and what came of it, however often', async () => {
    const first = await staged(site)
    const { id } = first
    const some = first.manifest.files.slice(0, 3)
    await first.uploads.fill(id, 3, bodyOf(some))
    await first.uploads.abandon()
    const second = await resume(site, id)
    expect(second.staged.committed).toBe(false)
    expect(missingList(second.manifest, second.staged.missing)).toHaveLength(5)
    await second.uploads.fill(id, 2, bodyOf(missingList(second.manifest, second.staged.missing).slice(0, 2)))
    await second.uploads.abandon()
    const third = await resume(site, id)
    expect(third.staged.committed).toBe(false)
    const rest = missingList(third.manifest, third.staged.missing)
    expect(rest).toHaveLength(3)
    await third.uploads.fill(id, rest.length, bodyOf(rest))
    await third.uploads.commit(commitOf(id), silent)
    expect((await checkIntegrity(layout, id)).files).toBe(8)
    expect(readdirSync(layout.incoming)).toEqual([])
  })

  test('flushes what it takes over: the other may have ended before it did', async () => {
    const first = await staged(site)
    await first.uploads.fill(first.id, 3, bodyOf(first.manifest.files.slice(0, 3)))
    await first.uploads.abandon()
    const flushed = await flushedBy(async () => {
      const second = await resume(site, first.id)
      await second.uploads.fill(first.id, 5, bodyOf(missingList(second.manifest, second.staged.missing)))
      await second.uploads.commit(commitOf(first.id), silent)
    })
    for (const { path } of first.manifest.files)
      expect(flushed).toContain(join(layout.incoming, first.id, path))
  })

  test('of which nothing is known begins again under its id, which all hosts have agreed on', async () => {
    const id = '20260101000000'
    const { uploads, manifest, staged: begun } = await resume(site, id)
    expect(begun).toMatchObject({ committed: false, reusedBytes: 0 })
    await uploads.fill(id, manifest.files.length, bodyOf(manifest.files))
    expect((await uploads.commit(commitOf(id), silent)).path).toBe(join(layout.releases, id))
  })

  test('that became a release, and only the answer was lost, has nothing left to do', async () => {
    const { staged: first } = await upload(site)
    const { staged: second, uploads } = await resume(site, first.id)
    expect(second).toEqual({ committed: true, missing: '', reusedBytes: 0 })
    await expectNothingLeft(uploads, [first.id])
  })

  test('of another content with that id is refused', async () => {
    const { staged: first } = await upload(site)
    expect(await failureOf(resume({ 'server.js': 'other' }, first.id))).toMatchObject({
      code: 'release-exists',
    })
    expect(readdirSync(layout.releases)).toEqual([first.id])
  })
})

describe('a commit', () => {
  test('wants the file that PM2 is to start', async () => {
    const { uploads, manifest, id } = await staged({ 'index.js': '' })
    await uploads.fill(id, manifest.files.length, bodyOf(manifest.files))
    expect(await failureOf(uploads.commit(commitOf(id), silent))).toMatchObject({
      code: 'upload-incomplete',
      message: expect.stringContaining('server.js'),
    })
    await expectNothingLeft(uploads)
  })

  test('of an upload of another session is refused', async () => {
    const { id, uploads } = await staged(site)
    const other = createUploads(layout)
    expect(await failureOf(other.commit(commitOf(id), silent))).toMatchObject({ code: 'no-such-upload' })
    await uploads.abandon()
  })

  test('links the shared paths in', async () => {
    const { uploads, manifest, id } = await staged({ 'server.js': '', 'uploads/seed': 'seed' })
    await uploads.fill(id, manifest.files.length, bodyOf(manifest.files))
    const runtime = runtimeWith({ sharedDirs: ['uploads'] })
    const { path } = await uploads.commit({ ...commitOf(id), runtime }, silent)
    expect(lstatSync(join(path!, 'uploads')).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(layout.shared, 'uploads/seed'), 'utf8')).toBe('seed')
    expect(readFileSync(join(path!, 'uploads/seed'), 'utf8')).toBe('seed')
  })
})

describe('a link', () => {
  async function failureWith(contents: Readonly<Record<string, Content>>, shared: readonly string[] = []) {
    const { uploads, manifest, id } = await staged({ 'server.js': '', ...contents })
    await uploads.fill(id, manifest.files.length, bodyOf(manifest.files))
    const runtime = runtimeWith({ sharedDirs: shared })
    const failure = await failureOf(uploads.commit({ ...commitOf(id), runtime }, silent))
    await uploads.abandon()
    expect([...readdirSync(layout.releases), ...readdirSync(layout.incoming)]).toEqual([])
    return failure
  }

  test.each<[string, Readonly<Record<string, Content>>]>([
    ['from public to a file beside it', { '.env': 'A=1', 'public/leak.txt': { link: '../.env' } }],
    ['from public to the release', { 'public/self': { link: '..' } }],
    ['from public to the environment', { 'public/leak.txt': { link: '../.gapless/runtime.json' } }],
    ['from the static files', { '.env': 'A=1', '.next/static/leak.js': { link: '../../.env' } }],
    [
      'out of public through another link',
      { lib: { link: 'node_modules' }, 'node_modules/a': '', 'public/x': { link: '../lib/a' } },
    ],
    ['to itself', { loop: { link: 'pool' }, pool: { link: 'loop' } }],
  ])('%s keeps a release from being one', async (_, contents) => {
    expect(await failureWith(contents)).toMatchObject({ code: 'symlink-escapes' })
  })

  test('into what outlives the release keeps it from being one', async () => {
    const contents = { 'data/seed': '', 'public/a': '', leak: { link: 'data/secret' } }
    expect(await failureWith(contents, ['data'])).toMatchObject({ code: 'symlink-escapes' })
    const brought = { '.env': '', 'public/up/seed': '', 'public/up/leak': { link: '../../.env' } }
    expect(await failureWith(brought, ['public/up'])).toMatchObject({ code: 'symlink-escapes' })
    expect(existsSync(join(layout.shared, 'public/up'))).toBe(false)
  })

  test('that stays is kept, through other links and to nothing too', async () => {
    const links = {
      'node_modules/a': { link: '.pnpm/a@1/node_modules/a' },
      'node_modules/.pnpm/a@1/node_modules/a/index.js': 'a',
      'node_modules/.pnpm/a@1/node_modules/b': { link: '../../b@1/node_modules/b' },
      'node_modules/.pnpm/b@1/node_modules/b/index.js': 'b',
      'node_modules/root': { link: '..' },
      'node_modules/gone': { link: 'missing/folder' },
      'public/b.txt': { link: 'a.txt' },
      'public/a.txt': 'public',
    }
    const { directory } = await upload({ ...site, ...links })
    expect(readFileSync(join(directory, 'node_modules/a/index.js'), 'utf8')).toBe('a')
    expect(readFileSync(join(directory, 'public/b.txt'), 'utf8')).toBe('public')
  })
})

test('an id is never given twice, though several uploads of one second choose it', async () => {
  const uploads = Array.from({ length: 5 }, () => createUploads(layout))
  const manifest = await manifestOf(folder(), { 'server.js': '' })
  const begun = await Promise.allSettled(
    uploads.map((each) => stage(each, manifest, undefined, '20260101000001')),
  )
  const refused = begun.filter(({ status }) => status === 'rejected')
  expect(refused.map((each) => (each as PromiseRejectedResult).reason.code)).toEqual(
    Array(4).fill('release-exists'),
  )
  await Promise.all(uploads.map((each) => each.abandon()))
  expect(readdirSync(layout.incoming)).toEqual([])
})
