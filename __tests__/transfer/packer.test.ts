import { randomBytes } from 'node:crypto'
import { appendFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { Bitmap } from '../../src/common/bitmap.ts'
import { pack } from '../../src/transfer/pack.ts'
import { createPacker, type Packer } from '../../src/transfer/packer.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
import { mayMount, mountTmpfs } from '../support/test-mounts.ts'
import { until } from '../support/until.ts'
import { type ListedManifest, manifestOf } from '../support/tree.ts'

const folder = temporaryFolders()

/** Twelve files in five parts. */
const contents = Object.fromEntries(
  Array.from({ length: 12 }, (_, index) => [
    `${index + 10}`,
    Buffer.alloc(3_000_000, `${index} lorem ipsum `),
  ]),
)
const everything = Buffer.concat(Object.values(contents))

function missing({ files }: ListedManifest, wanted: (index: number) => boolean = () => true): string {
  const bitmap = new Bitmap()
  for (const index of files.keys()) if (wanted(index)) bitmap.set(index)
  return bitmap.format()
}

/** Those that this process has open. */
function unnamedFiles(): number {
  return readdirSync('/proc/self/fd').filter((handle) => {
    try {
      return /gapless-\w+\/file \(deleted\)$/.test(readlinkSync(`/proc/self/fd/${handle}`))
    } catch {
      // That of the listing itself.
      return false
    }
  }).length
}

async function read(
  packer: Packer,
  bitmap: string,
  progress: (bytes: number) => void = () => undefined,
): Promise<Buffer> {
  const whole: Buffer[] = []
  for await (const { content } of packer.parts(bitmap, everything.length, progress)) {
    const pieces: Buffer[] = []
    for await (const piece of content) pieces.push(piece)
    whole.push(brotliDecompressSync(Buffer.concat(pieces)))
  }
  return Buffer.concat(whole)
}

describe('what servers lack', () => {
  test('comes whole to all that read it at the same time', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    let told = 0
    const all = await Promise.all(
      Array.from({ length: 5 }, () => read(packer, missing(manifest), (bytes) => (told += bytes))),
    )
    await packer.close()
    for (const one of all) expect(one.equals(everything)).toBe(true)
    expect(told).toBe(5 * everything.length)
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

  test('is told of while it is handed out, also within one large file', async () => {
    const size = 20_000_000
    const manifest = await manifestOf(folder(), { large: randomBytes(size) })
    const packer = createPacker(manifest)
    const told: number[] = []
    await read(packer, missing(manifest), (bytes) => told.push(bytes))
    expect(told.filter((bytes) => bytes > 0).length).toBeGreaterThan(10)
    expect(told.reduce((sum, bytes) => sum + bytes, 0)).toBe(size)
    await packer.close()
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
    const before = process.env['RUNNER_TEMP']
    process.env['RUNNER_TEMP'] = small
    const packer = createPacker(manifest)
    try {
      const { code, remedy } = await failureOf(read(packer, missing(manifest)))
      expect({ code, remedy }).toEqual({
        code: 'runner-disk-full',
        remedy: expect.stringContaining('RUNNER_TEMP'),
      })
    } finally {
      if (before === undefined) delete process.env['RUNNER_TEMP']
      else process.env['RUNNER_TEMP'] = before
      await packer.close()
      unmount()
    }
  })

  test('is packed no further when nobody reads it any more, and anew for who comes later', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    const open = unnamedFiles()
    for await (const { content } of packer.parts(missing(manifest), everything.length, () => {})) {
      for await (const _ of content) break
      expect(unnamedFiles()).toBe(open + 1)
      break
    }
    await until('the room is given back', () => unnamedFiles() === open)
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    expect(unnamedFiles()).toBe(open + 1)
    await packer.close()
    expect(unnamedFiles()).toBe(open)
  })

  test('that nobody wants any more is let go', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    for await (const { content } of packer.parts(missing(manifest), everything.length, () => {})) {
      for await (const _ of content) break
      break
    }
    await packer.close()
    await expect(read(packer, missing(manifest))).rejects.toThrow()
  })

  test('is described by one manifest', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest)
    const one = async () => {
      const pieces: Buffer[] = []
      for await (const piece of packer.manifest('')) pieces.push(piece)
      return brotliDecompressSync(Buffer.concat(pieces)).toString('utf8')
    }
    const [first, second] = await Promise.all([one(), one()])
    expect(first).toContain('"path":"13"')
    expect(second).toBe(first)
    await packer.close()
  })
})

describe('what a server without a release lacks', () => {
  test('is packed before it asks, once', async () => {
    const from = folder()
    const manifest = await manifestOf(from, contents)
    const packer = createPacker(manifest, pack(manifest.files, everything.length))
    let told = 0
    expect((await read(packer, missing(manifest), (bytes) => (told += bytes))).equals(everything)).toBe(true)
    expect(told).toBe(everything.length)
    rmSync(from, { recursive: true })
    // Once more, after a lost connection.
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    await packer.close()
  })

  test('is what it asks for, whatever was foreseen', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = createPacker(manifest, pack(manifest.files, everything.length))
    const some = missing(manifest, (index) => index !== 3)
    const { '13': _, ...others } = contents
    expect((await read(packer, some)).equals(Buffer.concat(Object.values(others)))).toBe(true)
    // All of it after that: what was packed ahead has not come to its end.
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    await packer.close()
  })

  test('is let go when nobody asks', async () => {
    const from = folder()
    const manifest = await manifestOf(from, contents)
    const packer = createPacker(manifest, pack(manifest.files, everything.length))
    await packer.close()
    rmSync(from, { recursive: true })
  })
})
