/** Uploads on top of a release that the server has, and what can be wrong with it. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync } from 'node:zlib'
import { Readable } from 'node:stream'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { type Layout, layoutOf, releaseFiles } from '../../../src/agent/store/layout.ts'
import { checkIntegrity } from '../../../src/agent/store/integrity.ts'
import { outline } from '../../../src/agent/upload/outline.ts'
import { createUploads } from '../../../src/agent/upload/upload.ts'
import { formatEntry } from '../../../src/protocol/manifest.ts'
import { createManifest, type Manifest } from '../../../src/transfer/manifest.ts'
import { contentParts, manifestStream } from '../../../src/transfer/stream.ts'
import { failureOf } from '../../support/failure.ts'
import { temporaryFolders } from '../../support/folder.ts'
import { mayMount, mountTmpfs } from '../../support/test-mounts.ts'
import { type Content, manifestOf } from '../../support/tree.ts'
import { missingList, noBase, stage, stageParams } from '../../support/upload.ts'
import { run, runtimeWith } from '../releases-on-disk.ts'

const folder = temporaryFolders()
let layout: Layout

beforeEach(() => {
  layout = layoutOf(join(folder(), 'app'))
})

const files = (path: string, count: number, text: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${path}/${index}.js`, `${text} ${index}`]))

const site: Readonly<Record<string, Content>> = {
  '.next/BUILD_ID': 'one',
  ...files('.next/server/chunks', 6, 'chunk'),
  '.next/server/app/index.html': '<h1>one</h1>',
  ...files('node_modules/next/dist', 20, 'next'),
  ...files('node_modules/react', 5, 'react'),
  'node_modules/sharp': { link: 'next' },
  'public/cache/logo.svg': '<svg/>',
  'public/empty': { directory: true },
  'server.js': 'require("next")',
}
const changed = { ...site, '.next/BUILD_ID': 'two', 'node_modules/react/2.js': 'patched' }

const commitOf = (id: string) => ({
  id,
  entry: 'server.js',
  staticPath: null,
  nextVersion: '',
  builtMsAgo: 0,
  run,
  runtime: runtimeWith(),
})

/** As the upload phase does it, on top of what the server tells. */
async function upload(manifest: Manifest, base?: Awaited<ReturnType<typeof outline>>) {
  const uploads = createUploads(layout)
  const staged = await stage(uploads, manifest, base ?? (await outline(layout)))
  const { id } = staged
  const rounds: (readonly string[])[] = []
  for (let { missing } = staged; ;) {
    const sent = missingList(manifest, missing)
    rounds.push(sent.map(({ path }) => path))
    for (const part of contentParts(sent)) await uploads.fill(id, part.files.length, part.content)
    const committed = await uploads.commit(commitOf(id), () => undefined)
    if (committed.path !== null) return { id, directory: committed.path, rounds, staged }
    missing = committed.missing
  }
}

async function linesFor(manifest: Manifest): Promise<readonly string[]> {
  const { folders } = await outline(layout)
  const chunks: Buffer[] = []
  for await (const chunk of manifestStream(manifest, folders)) chunks.push(chunk)
  return brotliDecompressSync(Buffer.concat(chunks)).toString('utf8').trimEnd().split('\n')
}

const manifestIn = (directory: string) => readFileSync(releaseFiles(directory).manifest, 'utf8')
const linesOf = ({ entries }: Manifest) => entries.map(formatEntry).join('')

describe('on top of a release', () => {
  test('a folder in which nothing is different is one line', async () => {
    await upload(await manifestOf(folder(), site))
    const named = (await linesFor(await manifestOf(folder(), changed))).map((line) => {
      const { kind, path } = JSON.parse(line) as { kind: string; path: string }
      return `${kind} ${path}`
    })
    expect(named).toContain('same node_modules/next')
    expect(named).toContain('same .next/server')
    expect(named.filter((line) => line.includes('node_modules/react'))).toHaveLength(5)
    expect(named.filter((line) => line.includes('node_modules/next/'))).toEqual([])
  })

  test('the same content is one line, and makes a whole release', async () => {
    const manifest = await manifestOf(folder(), site)
    const first = await upload(manifest)
    expect(await linesFor(manifest)).toEqual(['{"kind":"same","path":""}'])
    const second = await upload(manifest)
    expect(second.rounds).toEqual([[]])
    expect(manifestIn(second.directory)).toBe(linesOf(manifest))
    expect(manifestIn(second.directory)).toBe(manifestIn(first.directory))
    expect((await checkIntegrity(layout, second.id)).files).toBe(manifest.files.length)
  })

  test('the release has the whole manifest, whatever was left out on the way', async () => {
    await upload(await manifestOf(folder(), site))
    const manifest = await manifestOf(folder(), changed)
    const { id, directory, rounds } = await upload(manifest)
    expect(rounds).toEqual([['.next/BUILD_ID', 'node_modules/react/2.js']])
    expect(manifestIn(directory)).toBe(linesOf(manifest))
    await checkIntegrity(layout, id)
  })

  test('code is linked, and what a running app may write is copied', async () => {
    const manifest = await manifestOf(folder(), site)
    const [first, second] = [await upload(manifest), await upload(manifest)]
    const isLinked = (path: string) =>
      statSync(join(first.directory, path)).ino === statSync(join(second.directory, path)).ino
    expect(isLinked('.next/server/chunks/1.js')).toBe(true)
    expect(isLinked('node_modules/next/dist/7.js')).toBe(true)
    expect(isLinked('public/cache/logo.svg')).toBe(false)
    expect(isLinked('.next/server/app/index.html')).toBe(false)
  })

  test.each([
    ['the same size', (file: string) => writeFileSync(file, 'next 7'.replace('n', 'N'))],
    ['another size', (file: string) => truncateSync(file, 2)],
    ['nothing', (file: string) => rmSync(file)],
    [
      'a folder',
      (file: string) => {
        rmSync(file)
        mkdirSync(file)
      },
    ],
  ])(
    'a file that was damaged is found out and sent, though its folder is the same: %s',
    async (_, damage) => {
      const manifest = await manifestOf(folder(), site)
      const first = await upload(manifest)
      const path = 'node_modules/next/dist/7.js'
      try {
        damage(join(first.directory, path))
      } catch {
        // A device cannot be linked everywhere: the file is gone, which is damage too.
      }
      const second = await upload(manifest)
      expect(second.rounds).toEqual([[], [path]])
      expect(readFileSync(join(second.directory, path), 'utf8')).toBe('next 7')
      await checkIntegrity(layout, second.id)
    },
  )

  test('content that an older release has is not sent', async () => {
    const one = await manifestOf(folder(), site)
    await upload(one)
    await upload(await manifestOf(folder(), changed))
    expect((await upload(one)).rounds).toEqual([[]])
  })
})

describe('a base that is not what it was', () => {
  test.each([
    ['removed', (directory: string) => rmSync(directory, { recursive: true })],
    [
      'changed',
      (directory: string) => {
        const { manifest } = releaseFiles(directory)
        writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"mode":420', '"mode":493'))
      },
    ],
    ['damaged', (directory: string) => writeFileSync(releaseFiles(directory).manifest, '{"kind":"fi')],
  ])('by now %s: base-changed, and without it the upload succeeds', async (_, change) => {
    const manifest = await manifestOf(folder(), site)
    const first = await upload(manifest)
    const base = await outline(layout)
    change(first.directory)
    const uploads = createUploads(layout)
    expect(await failureOf(stage(uploads, manifest, base))).toMatchObject({ code: 'base-changed' })
    const { directory } = await upload(manifest, noBase)
    expect(manifestIn(directory)).toBe(linesOf(manifest))
  })

  test('a short hash that fits by accident does not pass for the same', async () => {
    await upload(await manifestOf(folder(), site))
    const manifest = await manifestOf(folder(), changed)
    const { base } = await outline(layout)
    // As if every folder had been found in the outline.
    const body = Readable.from([brotliCompressSync('{"kind":"same","path":""}\n')])
    const params = { ...stageParams, base, contentHash: manifest.hash }
    expect(await failureOf(createUploads(layout).stage(params, body))).toMatchObject({ code: 'base-changed' })
  })

  test('a release of an older version, whose manifest is in another order, is nothing to worry about', async () => {
    const manifest = await manifestOf(folder(), site)
    const first = await upload(manifest)
    const file = releaseFiles(first.directory).manifest
    const lines = manifestIn(first.directory).trimEnd().split('\n')
    writeFileSync(file, `${[lines.at(-1), ...lines.slice(0, -1)].join('\n')}\n`)
    const base = await outline(layout)
    const staging = stage(createUploads(layout), manifest, base)
    await staging.catch((error: unknown) => expect(error).toMatchObject({ code: 'base-changed' }))
    expect((await upload(manifest, noBase)).rounds).toEqual([[]])
  })

  test('there is none at first, and none that could be read', async () => {
    expect(await outline(layout)).toEqual({ base: null, folders: '' })
    const { directory } = await upload(await manifestOf(folder(), site))
    writeFileSync(releaseFiles(directory).manifest, 'x')
    expect(await outline(layout)).toEqual({ base: null, folders: '' })
  })
})

describe('a stage', () => {
  test('fails before anything is sent when the disk has no room, with figures', async () => {
    const entry = { kind: 'file', path: 'big', mode: 0o644, size: 4e15, hash: 'e'.repeat(64) } as const
    const line = formatEntry(entry)
    const params = { ...stageParams, contentHash: createHash('sha256').update(line).digest('hex') }
    const body = Readable.from([brotliCompressSync(line)])
    const failure = await failureOf(createUploads(layout).stage(params, body))
    expect(failure).toMatchObject({ code: 'disk-full', remedy: expect.stringContaining('keep-releases') })
    expect(failure.message).toMatch(/needs 4000000\.0 GB on the server’s disk, and \d+\.\d GB are free\./)
  })

  const withRoot = mayMount ? test : test.skip
  withRoot.each([
    [
      'blocks',
      'size=10m',
      { 'public/big': randomBytes(7_000_000) },
      /needs \d+\.\d MB on the server’s disk, and \d+\.\d MB are free\./,
    ],
    [
      'inodes',
      'nr_inodes=100',
      files('public', 90, 'file'),
      /needs \d+ inodes on the server’s disk, and \d+ are free\./,
    ],
  ])('fails before anything is sent when the disk has too few %s', async (_, disk, contents, message) => {
    const mounted = folder()
    const unmount = mountTmpfs(mounted, disk)
    try {
      const uploads = createUploads(layoutOf(join(mounted, 'app')))
      const manifest = await manifestOf(folder(), { 'server.js': '', ...contents })
      const failure = await failureOf(stage(uploads, manifest))
      expect(failure).toMatchObject({ code: 'disk-full', message: expect.stringMatching(message) })
      await uploads.abandon()
      expect(readdirSync(join(mounted, 'app/.gapless/incoming'))).toEqual([])
      // There is room for what is less.
      await stage(uploads, await manifestOf(folder(), { 'server.js': '' }))
    } finally {
      unmount()
    }
  })

  test('of what is not brotli says so', async () => {
    // No random bytes: a few of them are brotli for long enough to be another failure.
    const body = Readable.from([Buffer.alloc(5000, 0xff)])
    expect(await failureOf(createUploads(layout).stage(stageParams, body))).toMatchObject({
      code: 'upload-corrupt',
    })
  })

  test('of another manifest than it is said to be is refused', async () => {
    const manifest = await manifestOf(folder(), site)
    const uploads = createUploads(layout)
    const staging = uploads.stage({ ...stageParams, contentHash: 'x' }, manifestStream(manifest, ''))
    expect(await failureOf(staging)).toMatchObject({ code: 'upload-corrupt' })
  })
})

describe('odd files', () => {
  const odd = {
    'public/line\nfeed': 'a',
    'public/carriage\rreturn': 'b',
    'public/line\u2028separator\u2029': 'c',
    'public/"quotes" and \'more\' `of` them': 'd',
    'public/\u0001\u0007\u001b[31m\u007f': 'e',
    'public/back\\slash': 'f',
    [`public/${'é'.repeat(127)}`]: 'g',
    'public/empty': '',
    'public/dangling': { link: 'nowhere\nat all' },
    'server.js': '',
  } satisfies Record<string, Content>

  test('arrive with whatever names the file system allows', async () => {
    const manifest = await manifestOf(folder(), odd)
    const { id, directory } = await upload(manifest)
    for (const [path, content] of Object.entries(odd)) {
      if (typeof content === 'string') expect(readFileSync(join(directory, path), 'utf8')).toBe(content)
    }
    const integrity = await checkIntegrity(layout, id)
    expect(integrity.files).toBe(9)
    expect((await upload(manifest)).rounds).toEqual([[]])
  })

  const thorough = process.env['GAPLESS_TEST_ALL'] === undefined ? test.skip : test
  thorough(
    'of 2 GB are carried in pieces',
    async () => {
      const from = folder()
      const manifest = await manifestOf(from, { 'server.js': '', 'public/huge': '' })
      const source = join(from, 'public/huge')
      truncateSync(source, 2 ** 31 + 5)
      const entries = manifest.entries.map((entry) =>
        entry.path === 'public/huge' ? { ...entry, size: 2 ** 31 + 5 } : entry,
      )
      const huge = await createManifest({ entries })
      const before = process.memoryUsage.rss()
      const { directory } = await upload(huge)
      expect(statSync(join(directory, 'public/huge')).size).toBe(2 ** 31 + 5)
      expect(process.memoryUsage.rss() - before).toBeLessThan(300_000_000)
    },
    300_000,
  )
})
