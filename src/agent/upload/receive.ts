/** Turns the stream of an upload into files, each verified by its hash. */
import { createHash } from 'node:crypto'
import { closeSync, constants, fchmodSync, futimesSync, openSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import zlib from 'node:zlib'
import { sha256 } from '../../common/hash-file.ts'
import { failure } from '../../common/errors/upload.ts'
import type { Failure } from '../../common/failure.ts'
import type { ManifestFile } from '../../protocol/manifest.ts'
import type { Compression } from '../../protocol/messages.ts'
import { makeReadableFolder, withFile } from '../system/files.ts'

/** Up to this size a file is verified before anything of it is written, in bytes. */
const SMALL = 256 * 1024
/** In bytes. Each chunk costs a turn of the event loop. A frame of an upload unpacks to about this size. */
const CHUNK = 1024 * 1024

/** Decompresses a body. @throws Failure `upload-corrupt` when it cannot be, and the body's own errors */
export async function* decompress(
  body: AsyncIterable<Buffer>,
  compression: Compression = 'brotli',
): AsyncGenerator<Buffer, void, undefined> {
  let lost: unknown
  async function* watched() {
    const chunks = body[Symbol.asyncIterator]()
    const lose = (error: unknown) => {
      lost = error
      throw error
    }
    // Not by `yield*`: it would take an error of the decompression, which ends this generator, for the body's.
    for (;;) {
      const next = await chunks.next().catch(lose)
      if (next.done === true) return
      yield next.value
    }
  }
  const contents =
    compression === 'zstd'
      ? zlib.createZstdDecompress({ chunkSize: CHUNK })
      : zlib.createBrotliDecompress({ chunkSize: CHUNK })
  const source = pipeline(Readable.from(watched()), contents)
  // The pipeline may fail while earlier chunks are still being processed: that must not end the process.
  source.catch(() => undefined)
  try {
    for await (const chunk of contents as AsyncIterable<Buffer>) yield chunk
    await source
  } catch (cause) {
    throw lost ?? failure('upload-corrupt', { problem: 'it cannot be decompressed' }, { cause })
  }
}

/**
 * Writes the files of one stream of contents, in order, without flushing them.
 * @param time of modification, the same on all hosts: Next.js derives `Last-Modified` and `ETag` from it
 * @throws Failure `upload-corrupt`, `upload-incomplete`
 */
export async function receive(
  directory: string,
  files: readonly ManifestFile[],
  time: Date,
  folder: MakeFolder,
  contents: AsyncGenerator<Buffer, void, undefined>,
): Promise<void> {
  const pieces = piecesOf(contents)
  const buffer = Buffer.allocUnsafe(SMALL)
  try {
    for (const file of files) {
      const path = join(directory, file.path)
      folder(dirname(path))
      await (file.size <= SMALL
        ? writeSmall(path, file, time, pieces, buffer)
        : writeLarge(path, file, time, pieces))
    }
    if ((await pieces.next(1)) !== null)
      throw failure('upload-corrupt', { problem: 'more arrived than the manifest names' })
  } finally {
    await pieces.close()
  }
}

export type MakeFolder = (folder: string) => void

/** Returns a function that creates each folder once. */
export function folderMaker(): MakeFolder {
  const made = new Set<string>()
  return (folder) => {
    if (made.has(folder)) return
    makeReadableFolder(folder)
    made.add(folder)
  }
}

interface Pieces {
  /** At most `limit` bytes, or null at the end. */
  next(limit: number): Promise<Buffer | null>
  close(): Promise<void>
}

function piecesOf(chunks: AsyncGenerator<Buffer, void, undefined>): Pieces {
  let chunk: Buffer = Buffer.alloc(0)
  return {
    async next(limit) {
      while (chunk.length === 0) {
        const { done, value } = await chunks.next()
        if (done === true) return null
        chunk = value
      }
      const piece = chunk.subarray(0, limit)
      chunk = chunk.subarray(piece.length)
      return piece
    },
    async close() {
      await chunks.return()
    },
  }
}

const NEW = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL

/** Synchronous: the steps take less time than the turns of the event loop. */
async function writeSmall(
  path: string,
  file: ManifestFile,
  time: Date,
  pieces: Pieces,
  buffer: Buffer,
): Promise<void> {
  const content = buffer.subarray(0, file.size)
  for (let length = 0; length < file.size;) {
    const piece = await pieces.next(file.size - length)
    if (piece === null) throw endedIn(file)
    length += piece.copy(content, length)
  }
  assertHash(file, sha256(content))
  const handle = openSync(path, NEW, file.mode)
  try {
    for (let written = 0; written < content.length;) written += writeSync(handle, content, written)
    fchmodSync(handle, file.mode)
    futimesSync(handle, time, time)
  } finally {
    closeSync(handle)
  }
}

async function writeLarge(path: string, file: ManifestFile, time: Date, pieces: Pieces): Promise<void> {
  const hash = createHash('sha256')
  try {
    await withFile(path, NEW, file.mode, async (handle) => {
      for (let left = file.size; left > 0;) {
        const piece = await pieces.next(left)
        if (piece === null) throw endedIn(file)
        left -= piece.length
        hash.update(piece)
        await handle.writeFile(piece)
      }
      await handle.chmod(file.mode)
      await handle.utimes(time, time)
    })
    assertHash(file, hash.digest('hex'))
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

function endedIn(file: ManifestFile): Failure {
  return failure('upload-incomplete', { problem: `the contents ended inside ${JSON.stringify(file.path)}` })
}

function assertHash(file: ManifestFile, hash: string): void {
  if (hash !== file.hash) {
    throw failure('upload-corrupt', { problem: `${JSON.stringify(file.path)} has another hash` })
  }
}
