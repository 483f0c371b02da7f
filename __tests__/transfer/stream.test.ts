import { randomBytes } from 'node:crypto'
import { appendFileSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import type { Readable } from 'node:stream'
import zlib, { brotliDecompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { formatEntry } from '../../src/protocol/manifest.ts'
import { contentParts, manifestStream, missingFiles, type Part } from '../../src/transfer/stream.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { manifestOf } from '../support/tree.ts'
import { bodyOf } from '../support/upload.ts'

const folder = temporaryFolders()

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('the manifest’s stream', () => {
  test('is the entries, a line each, compressed', async () => {
    const manifest = await manifestOf(folder(), {
      'a.txt': 'a',
      b: { link: 'a.txt' },
      c: { directory: true },
    })
    const lines = brotliDecompressSync(await bytesOf(manifestStream(manifest, '')))
      .toString('utf8')
      .trimEnd()
      .split('\n')
    expect(lines.map((line) => `${line}\n`)).toEqual(manifest.entries.map(formatEntry))
  })
})

describe('the missing files', () => {
  const ten = Object.fromEntries(Array.from({ length: 10 }, (_, index) => [`${index}`, `${index}`]))
  const bitmap = (...bytes: number[]) => Buffer.from(bytes).toString('base64')

  test.each([
    ['none', bitmap(0, 0), []],
    ['the first', bitmap(1, 0), ['0']],
    ['the eighth and the ninth', bitmap(0b1000_0000, 1), ['7', '8']],
    ['all', bitmap(255, 255), Object.keys(ten)],
    ['none where the bitmap is short', bitmap(0b10), ['1']],
    ['none of nothing', '', []],
  ])('are %s', async (_, given, expected) => {
    // Links and folders have no content, and no bit.
    const manifest = await manifestOf(folder(), { ...ten, link: { link: '0' }, folder: { directory: true } })
    expect([...missingFiles(manifest, given)].map(({ path }) => path)).toEqual(expected)
  })
})

describe('the contents’ stream', () => {
  test('is the files’ bytes one after the other, compressed', async () => {
    const big = randomBytes(700_000)
    const { files } = await manifestOf(folder(), { a: 'first,', b: '', c: big, d: ',last' })
    const sent = await bytesOf(bodyOf(files))
    expect(
      brotliDecompressSync(sent).equals(Buffer.concat([Buffer.from('first,'), big, Buffer.from(',last')])),
    ).toBe(true)
  })

  test('has the large files last, each larger than the one before', async () => {
    const [small, large, larger] = [10, 1_200_000, 2_000_000].map((size) => randomBytes(size))
    const { files } = await manifestOf(folder(), { a: larger!, b: small!, c: large!, d: 'last in name' })
    const [part] = [...contentParts(files)]
    expect(part!.files.map(({ path }) => path)).toEqual(['b', 'd', 'c', 'a'])
    expect(brotliDecompressSync(await bytesOf(part!.content)).length).toBe(3_200_022)
  })

  test('is small for text', async () => {
    const { files } = await manifestOf(folder(), {
      'page.js': 'export default function Page() {}\n'.repeat(10_000),
    })
    expect((await bytesOf(bodyOf(files))).length).toBeLessThan(2000)
  })

  test('of much content packs it just as faithfully', async () => {
    const half = Buffer.alloc(1.9 * 1024 * 1024, 'lorem ipsum dolor ')
    const { files } = await manifestOf(folder(), { a: half, b: half })
    expect(brotliDecompressSync(await bytesOf(bodyOf(files))).equals(Buffer.concat([half, half]))).toBe(true)
  })

  test('of more than a part comes in parts of whole files, in order, however many are packed at once', async () => {
    const contents = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [
        `${index + 10}`,
        Buffer.alloc(1_400_000, `${index} lorem ipsum `),
      ]),
    )
    const { files } = await manifestOf(folder(), contents)
    const seen: string[] = []
    for (const part of contentParts(files)) {
      const whole = brotliDecompressSync(await bytesOf(part.content as AsyncIterable<Buffer>))
      expect(whole.equals(Buffer.concat(part.files.map(({ path }) => contents[path]!)))).toBe(true)
      expect(whole.length).toBeLessThan(4_500_000)
      seen.push(...part.files.map(({ path }) => path))
    }
    expect(seen).toEqual(Object.keys(contents))
  })

  const hasZstd = 'createZstdCompress' in zlib
  const ofThisNode = hasZstd ? 'zstd' : 'brotli'
  test.each([
    ['little', 2, true, 'brotli'],
    ['very much, for a server that has no zstd,', 17, false, 'brotli'],
    ['very much, for a server that has zstd,', 17, true, ofThisNode],
  ] as const)('of %s is packed with what both have', async (_, count, zstd, compression) => {
    const contents = Object.fromEntries(
      Array.from({ length: count }, (_each, index) => [
        `${index + 10}`,
        Buffer.alloc(4_000_000, `${index} lorem ipsum `),
      ]),
    )
    const { files } = await manifestOf(folder(), contents)
    const unpack = compression === 'zstd' ? zlib.zstdDecompressSync : brotliDecompressSync
    for (const part of contentParts(files, zstd)) {
      expect(part.compression).toBe(compression)
      const content = unpack(await bytesOf(part.content as AsyncIterable<Buffer>))
      expect(content.equals(Buffer.concat(part.files.map(({ path }) => contents[path]!)))).toBe(true)
    }
  })

  const withZstd = hasZstd ? test : test.skip
  withZstd('raises the compression level of much content while packed content waits to be sent', async () => {
    const code = readFileSync('dist/index.cjs').subarray(0, 1_000_000)
    // Large files come last, in a part of their own.
    const contents = { code, large: Buffer.alloc(65_000_000) }
    const { files } = await manifestOf(folder(), contents)
    const MB = 1024 * 1024
    const packed = async (lead: number) => {
      const parts = contentParts(files, true, () => lead)
      const part = parts.next().value as Part
      const { length } = await bytesOf(part.content)
      parts.return()
      return length
    }
    const [none, one, two, more] = [
      await packed(0),
      await packed(32 * MB),
      await packed(64 * MB),
      await packed(999 * MB),
    ]
    expect(one).toBeLessThan(none)
    expect(two).toBeLessThan(one)
    expect(more).toBe(two)
  })

  test('that nobody wants any more is let go', async () => {
    const contents = Object.fromEntries(
      Array.from({ length: 6 }, (_, index) => [`${index}`, randomBytes(5_000_000)]),
    )
    const { files } = await manifestOf(folder(), contents)
    const begun: Readable[] = []
    for (const part of contentParts(files)) {
      begun.push(part.content)
      if (begun.length === 2) break
    }
    expect(begun[1]!.destroyed).toBe(true)
  })

  test.each([
    ['grown', (file: string) => appendFileSync(file, 'more')],
    ['shrunk', (file: string) => truncateSync(file, 1)],
  ])('fails when a file has %s since it was hashed, naming it', async (_, change) => {
    const { files } = await manifestOf(folder(), { 'a.txt': 'aaaa', 'b.txt': 'bbbb' })
    change(files[1]!.source)
    expect(await failureOf(bytesOf(bodyOf(files)))).toMatchObject({
      code: 'file-changed',
      message: expect.stringContaining('b.txt'),
    })
  })

  test('fails when a file is gone', async () => {
    const { files } = await manifestOf(folder(), { 'a.txt': 'aaaa' })
    rmSync(files[0]!.source)
    await expect(bytesOf(bodyOf(files))).rejects.toMatchObject({ code: 'file-unreadable' })
  })
})
