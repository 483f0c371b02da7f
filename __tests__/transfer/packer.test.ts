import { appendFileSync, rmSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'
import { describe, expect, test } from '@jest/globals'
import { Bitmap } from '../../src/content/bitmap.ts'
import { packOnce } from '../../src/transfer/pack-once.ts'
import { packAhead, packForOne, type Packer } from '../../src/transfer/packer.ts'
import { failureOf } from '../support/failure.ts'
import { temporaryFolders } from '../support/folder.ts'
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

async function read(
  packer: Packer,
  bitmap: string,
  progress: (bytes: number) => void = () => undefined,
): Promise<Buffer> {
  const whole: Buffer[] = []
  for await (const { content } of packer.parts(bitmap, progress)) {
    const pieces: Buffer[] = []
    for await (const piece of content) pieces.push(piece)
    whole.push(brotliDecompressSync(Buffer.concat(pieces)))
  }
  return Buffer.concat(whole)
}

describe('what several hosts lack', () => {
  test('comes whole to all that read it at the same time', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = packOnce(manifest)
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
    const packer = packOnce(manifest)
    await read(packer, missing(manifest))
    rmSync(from, { recursive: true })
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    await packer.close()
  })

  test('is packed apart where it is different', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = packOnce(manifest)
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

  test('fails for all when a file is not what was hashed', async () => {
    const manifest = await manifestOf(folder(), contents)
    appendFileSync(manifest.files[11]!.source, 'more')
    const packer = packOnce(manifest)
    const readers = [1, 2].map(() => failureOf(read(packer, missing(manifest))))
    for (const failure of await Promise.all(readers)) expect(failure.code).toBe('file-changed')
    await packer.close()
  })

  test('that nobody wants any more is let go', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = packOnce(manifest)
    for await (const { content } of packer.parts(missing(manifest), () => {})) {
      for await (const _ of content) break
      break
    }
    await packer.close()
    await expect(read(packer, missing(manifest))).rejects.toThrow()
  })

  test('is described by one manifest', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = packOnce(manifest)
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

describe('what one host lacks', () => {
  test('is packed before it asks, where it will lack everything', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = packForOne(manifest, packAhead(manifest, everything.length))
    let told = 0
    expect((await read(packer, missing(manifest), (bytes) => (told += bytes))).equals(everything)).toBe(true)
    expect(told).toBe(everything.length)
    // Once more, after a lost connection.
    expect((await read(packer, missing(manifest))).equals(everything)).toBe(true)
    await packer.close()
  })

  test('is what it asks for, whatever was foreseen', async () => {
    const manifest = await manifestOf(folder(), contents)
    const packer = packForOne(manifest, packAhead(manifest, everything.length))
    const some = missing(manifest, (index) => index !== 3)
    const { '13': _, ...others } = contents
    expect((await read(packer, some)).equals(Buffer.concat(Object.values(others)))).toBe(true)
    await packer.close()
  })

  test('is let go when nobody asks', async () => {
    const from = folder()
    const manifest = await manifestOf(from, contents)
    const packer = packForOne(manifest, packAhead(manifest, everything.length))
    await packer.close()
    rmSync(from, { recursive: true })
  })
})
