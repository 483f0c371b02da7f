/**
 * For several hosts: what they lack is packed once, into a file of the runner's, and each host reads it at its own
 * pace. None holds another back, and none costs memory.
 */
import { EventEmitter, once } from 'node:events'
import { close as closeFile, read as readFile, write as writeFile } from 'node:fs'
import { promisify } from 'node:util'
import { Bitmap } from '../content/bitmap.ts'
import type { Manifest, SourceFile } from './manifest.ts'
import { contentParts, manifestStream, missingFiles, totalSize } from './stream.ts'
import { unnamedFile } from './unnamed-file.ts'

const [closeAsync, readAsync, writeAsync] = [promisify(closeFile), promisify(readFile), promisify(writeFile)]

export interface PackedPart {
  readonly files: readonly SourceFile[]
  readonly content: AsyncIterable<Buffer>
}

export interface Packer {
  /** @param base see manifestStream */
  manifest(base: string): AsyncIterable<Buffer>
  /** A server that has nothing yet will ask for all: the first parts of it are packed while it is being asked. */
  foresee(): void
  /**
   * @param missing bitmap, base64, see missingFiles
   * @param progress told of the files' bytes that were handed out
   */
  parts(missing: string, progress: (bytes: number) => void): AsyncIterable<PackedPart> | Iterable<PackedPart>
  /** Afterwards nothing can be read any more. */
  close(): Promise<void>
}

/** For one host: it reads what is being packed. */
export function packForOne(manifest: Manifest): Packer {
  const all = Bitmap.full(manifest.fileCount).format()
  let foreseen: Foreseen | undefined
  return {
    manifest: (base) => manifestStream(manifest, base),
    foresee() {
      foreseen ??= foresee(missingFiles(manifest, all))
    },
    parts(missing, progress) {
      const begun = foreseen
      foreseen = undefined
      if (begun !== undefined && missing === all) return begun.parts(progress)
      begun?.drop()
      return contentParts(missingFiles(manifest, missing), progress)
    },
    async close() {
      foreseen?.drop()
    },
  }
}

interface Foreseen {
  parts(progress: (bytes: number) => void): Iterable<PackedPart>
  drop(): void
}

function foresee(files: Iterable<SourceFile>): Foreseen {
  let packed = 0
  let told: (bytes: number) => void = (bytes) => {
    packed += bytes
  }
  const parts = contentParts(files, (bytes) => told(bytes))
  const first = parts.next()
  return {
    *parts(progress) {
      told = progress
      progress(packed)
      try {
        if (first.done !== true) yield first.value
        yield* parts
      } finally {
        parts.return()
      }
    },
    drop: () => void parts.return(),
  }
}

export function packOnce(manifest: Manifest): Packer {
  const manifests = new Map<string, Promise<readonly Buffer[]>>()
  const packed = new Map<string, Packed>()
  return {
    // What is packed for several is packed whole: a wrong guess would cost too much.
    foresee: () => undefined,
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
  readonly files: readonly SourceFile[]
  readonly from: number
  to: number
  whole: boolean
}

const PIECE = 64 * 1024

function pack(files: Iterable<SourceFile>): Packed {
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
