/** The two compressed streams of an upload: the manifest, and the contents that the server lacks. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Readable, Transform } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import zlib, { constants } from 'node:zlib'
import type { TreeEntry } from '../next/layers.ts'
import { failure } from '../common/errors/runner.ts'
import { fileUnreadable } from '../common/file-unreadable.ts'
import { Bitmap } from '../common/bitmap.ts'
import { isBelow, readOutline } from '../protocol/subtrees.ts'
import { formatEntry, type ManifestEntry, type ManifestSame } from '../protocol/manifest.ts'
import type { Compression } from '../protocol/messages.ts'
import { inSendingOrder } from '../protocol/sending-order.ts'
import { type Manifest, type SourceFile, totalSize } from './manifest.ts'

/**
 * The manifest as the difference from the server's base: a folder that is the same there is one line.
 * @param base its outline, base64; empty when there is none
 */
export function manifestStream({ entries, folders }: Manifest, base: string): AsyncIterable<Buffer> {
  const outline = readOutline(base)
  const same = new Set(folders.filter((folder) => outline.has(folder)).map(({ path }) => path))
  const lines = () => differences(entries, same)
  let count = 0
  for (const _ of lines()) if ((count += 1) > MANY) break
  return compress(texts(lines()), { ...BROTLI, level: count > MANY ? 5 : 10 })
}

function* differences(
  entries: Manifest['entries'],
  same: ReadonlySet<string>,
): Generator<ManifestEntry | ManifestSame, void, undefined> {
  if (same.has('')) {
    yield { kind: 'same', path: '' }
    return
  }
  let skipped: string | undefined
  for (const entry of entries) {
    if (skipped !== undefined && isBelow(entry.path, skipped)) continue
    skipped = foldersOf(entry.path).find((folder) => same.has(folder))
    yield skipped === undefined ? entry : { kind: 'same', path: skipped }
  }
}

/** In characters. */
const TEXT = 1024 * 1024

function* texts(lines: Iterable<ManifestEntry | ManifestSame>): Generator<Buffer, void, undefined> {
  let text = ''
  for (const line of lines) {
    text += formatEntry(line)
    if (text.length < TEXT) continue
    yield Buffer.from(text)
    text = ''
  }
  if (text !== '') yield Buffer.from(text)
}

/** `a/b/c` is in `a` and in `a/b`. */
function foldersOf(path: string): readonly string[] {
  const folders: string[] = []
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    folders.push(path.slice(0, slash))
  }
  return folders
}

/** @param bitmap base64, one bit for each file of the manifest */
export function missingFiles({ files }: Pick<Manifest, 'files'>, bitmap: string): readonly SourceFile[] {
  const missing = Bitmap.parse(bitmap)
  return files.filter((_, index) => missing.has(index))
}

/** What packing needs to know about a file. */
export type TreeFile = Extract<TreeEntry, { kind: 'file' }>

/** Files in one compressed stream. */
export interface Part {
  readonly files: readonly TreeFile[]
  readonly content: Readable
  readonly compression: Compression
}

const MB = 1024 * 1024

const PART_FILES = 4000
/** Parts packed at once, each in its own thread. */
const AT_ONCE = 2
/** Bytes of each part that may be packed before its turn. */
const AHEAD = 8 * MB

/**
 * The files in parts, in the order in which they are sent. The part after the one that is read is packed meanwhile.
 * @param zstd whether who receives them can unpack it
 * @param lead bytes of files that are packed and wait to be sent. The higher, the better the next part is compressed.
 */
export function* contentParts(
  files: readonly TreeFile[],
  zstd = false,
  lead = () => 0,
): Generator<Part, void, undefined> {
  const { levels, ...packing } = packingFor(totalSize(files), zstd)
  const { compression, partBytes } = packing
  const begun: Part[] = []
  try {
    for (const part of cut(inSendingOrder(files), partBytes)) {
      const level = levels[Math.floor(lead() / partBytes)] ?? levels.at(-1)!
      begun.push({
        files: part,
        content: compress(contents(part, packing.pieceBytes), { ...packing, level }, AHEAD),
        compression,
      })
      if (begun.length < AT_ONCE) continue
      yield begun[0]!
      begun.shift()
    }
    for (; begun.length > 0; begun.shift()) yield begun[0]!
  } finally {
    for (const { content } of begun) content.destroy()
  }
}

function* cut(files: Iterable<TreeFile>, partBytes: number): Generator<readonly TreeFile[], void, undefined> {
  let part: TreeFile[] = []
  let bytes = 0
  for (const file of files) {
    if (part.length === PART_FILES || (part.length > 0 && bytes + file.size > partBytes)) {
      yield part
      ;[part, bytes] = [[], 0]
    }
    part.push(file)
    bytes += file.size
  }
  if (part.length > 0) yield part
}

/**
 * The files' bytes in pieces of one size, because each piece costs a turn of the event loop, however small. All pieces
 * share one buffer, and files are read synchronously: 50,000 buffers or handles are garbage that stays for long.
 * @throws Failure `file-unreadable`, and `file-changed` when a file no longer has the size that was hashed
 */
function* contents(files: readonly TreeFile[], pieceBytes: number): Generator<Buffer, void, undefined> {
  const piece = Buffer.allocUnsafe(pieceBytes)
  let filled = 0
  for (const { source, path, size } of files) {
    const handle = open(source)
    let read = 0
    try {
      for (;;) {
        const bytesRead = readSync(handle, piece, filled, pieceBytes - filled, null)
        read += bytesRead
        filled += bytesRead
        // A read that leaves room in the piece has reached the end of the file.
        const isEnd = bytesRead === 0 || (read === size && filled < pieceBytes)
        if (filled === pieceBytes) {
          yield piece
          filled = 0
        }
        if (isEnd) break
      }
    } finally {
      closeSync(handle)
    }
    if (read !== size) throw failure('file-changed', { path })
  }
  if (filled > 0) yield piece.subarray(0, filled)
}

function open(source: string): number {
  try {
    return openSync(source, 'r')
  } catch (error) {
    throw fileUnreadable(source, error)
  }
}

/** Lines above which a manifest is packed at quality 5: quality 10 would take 0.1 s for a whole build. */
const MANY = 500

interface Packing {
  readonly compression: Compression
  readonly level: number
  /** As a power of two, in bytes. */
  readonly window: number
  /** Bytes that are read and packed at once. */
  readonly pieceBytes: number
  /** Bytes that come out at once. */
  readonly chunkBytes: number
}

type Packings = Omit<Packing, 'level'> & {
  /** Of the files in a part, unless a single one is larger. */
  readonly partBytes: number
  /** By the number of parts that wait to be sent. */
  readonly levels: readonly number[]
}

/**
 * How so many bytes are packed. On one core, brotli 10 packs 5 MB/s of a build, brotli 5 packs 65; in parts and windows of
 * `ZSTD`, zstd 3 packs 270, zstd 5 packs 140 to 93% of the size, and zstd 7 packs 100 to 86%.
 */
function packingFor(bytes: number, zstd: boolean): Packings {
  if (bytes <= 1_000_000) return { ...BROTLI, levels: [10] }
  const both = zstd && 'createZstdCompress' in zlib
  return bytes > MOST_FOR_BROTLI && both ? { ...ZSTD, levels: [3, 5, 7] } : { ...BROTLI, levels: [5] }
}

/** Above it the processor takes longer than most networks, in bytes. */
const MOST_FOR_BROTLI = 64_000_000

/**
 * With a window of 22 a build of 38 MB is 0.4% smaller, but packing takes 230 MB: each stream takes 8 MB, of which glibc's
 * malloc gives little back. A part is four windows, so that cutting such a build costs 0.1%.
 */
const BROTLI = {
  compression: 'brotli',
  window: 20,
  partBytes: 4 * MB,
  pieceBytes: MB / 4,
  chunkBytes: MB / 16,
} as const
/**
 * Unpacking takes as much memory as a window. In parts of one window the same files take 2% more; in pieces and chunks as
 * small as brotli's, packing them takes half as much time again.
 */
const ZSTD = {
  compression: 'zstd',
  window: 24,
  partBytes: 32 * MB,
  pieceBytes: 4 * MB,
  chunkBytes: MB,
} as const

/**
 * @param source may reuse a piece's buffer for the next piece
 * @param ahead what may be packed before anybody asks for it, in bytes
 */
function compress(source: Iterable<Buffer>, packing: Packing, ahead = packing.chunkBytes): Readable {
  const packed = compressor(packing, { chunkSize: packing.chunkBytes, readableHighWaterMark: ahead })
  // The reader gets the error, possibly much later.
  packed.on('error', () => undefined)
  feed(packed, source).catch((error: Error) => packed.destroy(error))
  return packed
}

function compressor({ compression, level, window }: Packing, options: object): Transform {
  const params =
    compression === 'zstd'
      ? { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_windowLog]: window }
      : { [constants.BROTLI_PARAM_QUALITY]: level, [constants.BROTLI_PARAM_LGWIN]: window }
  return compression === 'zstd'
    ? zlib.createZstdCompress({ ...options, params })
    : zlib.createBrotliCompress({ ...options, params })
}

/** Writes a piece once the piece before is packed: no queue keeps any. */
async function feed(packed: Transform, source: Iterable<Buffer>): Promise<void> {
  // In another turn: the caller may have more to begin.
  await setImmediate()
  for (const piece of source) {
    await new Promise<void>((resolve, reject) => {
      packed.once('close', resolve)
      packed.write(piece, (error) => {
        packed.off('close', resolve)
        if (error) reject(error)
        else resolve()
      })
    })
    if (packed.destroyed) return
  }
  packed.end()
}
