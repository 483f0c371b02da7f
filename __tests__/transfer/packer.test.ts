import { randomBytes } from 'node:crypto'
import { appendFileSync, readdirSync, rmSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { Bitmap } from '../../src/common/bitmap.ts'
import type { Manifest } from '../../src/transfer/manifest.ts'
import { createPacker, type Packer } from '../../src/transfer/packer.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { mayMount, mountTmpfs } from '../support/test-mounts.ts'
import { until } from '../support/until.ts'
import { manifestOf } from '../support/tree.ts'

const folder = temporaryFolders()

/** Twelve files in as many parts. */
const contents = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [
    `${index + 10}`,
    Buffer.alloc(3_000_000, `${index} lorem ipsum `),
  ]),
)
const everything = Buffer.concat(Object.values(contents))

function missing({ files }: Manifest, wanted: (index: number) => boolean = () => true): string {
  const bitmap = new Bitmap()
  for (const index of files.keys()) if (wanted(index)) bitmap.set(index)
  return bitmap.format()
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function read(packer: Packer, bitmap: string): Promise<Buffer> {
  const whole: Buffer[] = []
  for await (const part of packer.parts(bitmap)) {
    const packed = await bytesOf(part.content())
    const content = brotliDecompressSync(packed)
    expect([part.packedBytes, part.bytes]).toEqual([packed.length, content.length])
    whole.push(content)
  }
  return Buffer.concat(whole)
}

/** Where packers put their files. */
let temporary: string
const before = process.env['RUNNER_TEMP']
beforeEach(() => {
  temporary = folder()
  process.env['RUNNER_TEMP'] = temporary
})
afterEach(() => {
  if (before === undefined) delete process.env['RUNNER_TEMP']
  else process.env['RUNNER_TEMP'] = before
})
const packedFiles = () =>
  readdirSync(temporary, { recursive: true }).filter((name) => /-\d+$/.test(String(name)))

describe('what servers lack', () => {
  test('comes whole to all that read it at the same time', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    const all = await Promise.all(Array.from({ length: 5 }, () => read(packer, missing(manifest))))
    await packer.close()
    for (const one of all) expect(one.equals(everything)).toBe(true)
    expect(readdirSync(temporary)).toEqual([])
  })

  test('is read and packed once: who comes later needs the files no more', async () => {
    const from = folder()
    const manifest = await manifestOf(from, contents)
    const packer = createPacker(manifest)
    await read(packer, missing(manifest))
    rmSync(from, { recursive: true })
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    await packer.close()
  })

  test('is packed apart where it is different', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    const [some, none] = await Promise.all([
      read(
        packer,
        missing(manifest, (index) => index === 3),
      ),
      read(
        packer,
        missing(manifest, () => false),
      ),
    ])
    expect(some.equals(contents['13']!)).toBe(true)
    expect(none).toHaveLength(0)
    await packer.close()
  })

  test('is packed ahead where that is all, and apart where the server has some after all', async () => {
    const from = folder()
    const manifest = await manifestOf(from, contents)
    const packer = createPacker(manifest, false, true)
    await bytesOf(packer.manifest(''))
    const third = missing(manifest, (index) => index === 3)
    expect((await read(packer, third)).equals(contents['13']!)).toBe(true)
    await until('all is packed', () => packedFiles().length === 13)
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    expect(packedFiles()).toHaveLength(13)
    await packer.close()
    expect(readdirSync(temporary)).toEqual([])
  })

  test('leaves nothing behind where it was packed ahead and nobody needs it', async () => {
    const packer = createPacker(await manifestOf(folder(), contents), false, true)
    await bytesOf(packer.manifest(''))
    await until('it has begun', () => packedFiles().length > 0)
    await packer.close()
    expect(readdirSync(temporary)).toEqual([])
  })

  test('fails for all when a file is not what was hashed', async () => {
    const manifest = await manifestOf(folder(), contents)
    appendFileSync(manifest.files[11]!.source, 'more')
    const packer = createPacker(manifest)
    const readers = [1, 2].map(() => failureOf(read(packer, missing(manifest))))
    for (const failure of await Promise.all(readers)) expect(failure.code).toBe('file-changed')
    await packer.close()
  })

  const onSmallDisk = mayMount ? test : test.skip
  onSmallDisk('fails with the remedy where the runner has no room for it', async () => {
    const manifest = await manifestOf(folder(), { large: randomBytes(20_000_000) })
    const small = folder()
    // The last write that fits is cut short: what is packed comes in pieces of 64 KB.
    const unmount = mountTmpfs(small, 'size=1028k')
    process.env['RUNNER_TEMP'] = small
    const packer = createPacker(manifest)
    try {
      const { code, remedy } = await failureOf(read(packer, missing(manifest)))
      expect({ code, remedy }).toEqual({
        code: 'runner-disk-full',
        remedy: expect.stringContaining('RUNNER_TEMP'),
      })
    } finally {
      await packer.close()
      unmount()
    }
  })

  test('is packed at most 96 MB ahead of the fastest reader', async () => {
    // Twenty parts of 9 MB.
    const large = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`${index + 10}`, Buffer.alloc(9 * 1024 * 1024, `${index} `)]),
    )
    const manifest = await manifestOf(folder(), large)
    const packer = createPacker(manifest)
    const packed: number[] = []
    for await (const { content } of packer.parts(missing(manifest))) {
      await bytesOf(content())
      const readable = packed.length + 1
      await until(
        'packing is as far ahead as it may be',
        () => packedFiles().length >= Math.min(20, readable + 11),
      )
      packed.push(packedFiles().length - readable)
    }
    expect(Math.max(...packed)).toBe(11)
    await packer.close()
  })

  test('is packed without waiting for its readers, and only once', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    for await (const { content } of packer.parts(missing(manifest))) {
      await bytesOf(content())
      break
    }
    await until('all are packed', () => packedFiles().length === 12)
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    expect(packedFiles()).toHaveLength(12)
    await packer.close()
  })

  test('leaves nothing behind, wherever packing is stopped', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    for await (const _ of packer.parts(missing(manifest))) break
    await packer.close()
    expect(readdirSync(temporary)).toEqual([])
    await expect(read(packer, missing(manifest))).rejects.toThrow()
  })

  test('is described by one manifest', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    const one = async () => brotliDecompressSync(await bytesOf(packer.manifest(''))).toString('utf8')
    const [first, second] = await Promise.all([one(), one()])
    expect(first).toContain('"path":"13"')
    expect(second).toBe(first)
    await packer.close()
  })
})
