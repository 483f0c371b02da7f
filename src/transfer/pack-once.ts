/**
 * For several hosts: what they lack is packed once, into a file of the runner's, and each host reads it at its own
 * pace. None holds another back, and none costs memory.
 */
import { EventEmitter, once } from 'node:events'
import { close as closeFile, read as readFile, write as writeFile } from 'node:fs'
import { promisify } from 'node:util'
import type { Manifest } from './manifest.ts'
import type { PackedPart, Packer } from './packer.ts'
import { contentParts, manifestStream, missingFiles, totalSize, type TreeFile } from './stream.ts'
import { unnamedFile } from './unnamed-file.ts'

const [closeAsync, readAsync, writeAsync] = [promisify(closeFile), promisify(readFile), promisify(writeFile)]

export function packOnce(manifest: Manifest): Packer {
  const manifests = new Map<string, Promise<readonly Buffer[]>>()
  const packed = new Map<string, Packed>()
  return {
    // What is packed for several is packed whole: a wrong guess would cost too much.
    guesses: false,
    async *manifest(base) {
      const pieces = manifests.get(base) ?? collect(manifestStream(manifest, base))
      manifests.set(base, pieces)
      yield* await pieces
    },
    parts(missing, progress) {
      const same = packed.get(missing) ?? pack(missingFiles(manifest, missing))
      packed.set(missing, same)
      return same.parts(progress)
    },
    async close() {
      await Promise.all([...packed.values()].map((one) => one.close()))
    },
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<readonly Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return pieces
}

interface Packed {
  parts(progress: (bytes: number) => void): AsyncIterable<PackedPart>
  close(): Promise<void>
}

/** Where a part lies in the file, and whether all of it is there. In bytes. */
interface Written {
  readonly files: readonly TreeFile[]
  readonly from: number
  to: number
  whole: boolean
}

const PIECE = 64 * 1024

function pack(files: Iterable<TreeFile>): Packed {
  const news = new EventEmitter().setMaxListeners(0)
  const written: Written[] = []
  const file = unnamedFile()
  let end: { readonly error?: unknown } | undefined
  let closed = false

  const more = async () => {
    if (end !== undefined) throw end.error ?? new Error('what was packed was given up')
    await once(news, 'more')
  }
  async function write(): Promise<void> {
    let at = 0
    for (const { files: some, content } of contentParts(files)) {
      const part: Written = { files: some, from: at, to: at, whole: false }
      written.push(part)
      for await (const piece of content) {
        if (closed) return
        await writeAsync(file, piece, 0, piece.length, at)
        at += piece.length
        part.to = at
        news.emit('more')
      }
      part.whole = true
      news.emit('more')
    }
  }
  const writing = write()
    .catch((error: unknown) => ({ error }))
    .then((failed) => {
      end = failed ?? {}
      news.emit('more')
    })

  async function* read(part: Written): AsyncGenerator<Buffer, void, undefined> {
    for (let at = part.from; ;) {
      if (at < part.to) {
        const piece = Buffer.allocUnsafe(Math.min(PIECE, part.to - at))
        const { bytesRead } = await readAsync(file, piece, 0, piece.length, at)
        at += bytesRead
        yield piece.subarray(0, bytesRead)
      } else if (part.whole) {
        return
      } else {
        await more()
      }
    }
  }
  return {
    async *parts(progress) {
      for (let index = 0; ; index += 1) {
        while (index >= written.length && end === undefined) await more()
        const part = written[index]
        if (part === undefined) {
          if (end?.error !== undefined) throw end.error
          return
        }
        yield { files: part.files, content: read(part) }
        progress(totalSize(part.files))
      }
    },
    async close() {
      closed = true
      await writing
      await closeAsync(file)
    },
  }
}
