/** The two compressed streams of an upload: the manifest, and the contents that the server lacks. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { type BrotliCompress, type BrotliOptions, constants, createBrotliCompress } from 'node:zlib'
import type { TreeEntry } from '../next/layers.ts'
import { failure } from '../common/errors/runner.ts'
import { fileUnreadable } from '../common/file-unreadable.ts'
import { Bitmap } from '../common/bitmap.ts'
import { isBelow, readOutline } from '../protocol/subtrees.ts'
import { formatEntry, type ManifestEntry, type ManifestSame } from '../protocol/manifest.ts'
import { inSendingOrder } from '../protocol/sending-order.ts'
import type { Manifest, SourceFile } from './manifest.ts'

/**
 * The manifest as differences from the server's base: a folder without differences is one line.
 * @param base its outline, base64; empty when there is none
 */
export function manifestStream({ entries, folders }: Manifest, base: string): AsyncIterable<Buffer> {
  const outline = readOutline(base)
  const same = new Set(folders.filter((folder) => outline.has(folder)).map(({ path }) => path))
  const lines = () => differences(entries, same)
  let count = 0
  for (const _ of lines()) if ((count += 1) > MANY) break
  return compress(texts(lines()), count > MANY ? 5 : 10)
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
const TEXT = 64 * 1024

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
export function missingFiles({ entries }: Pick<Manifest, 'entries'>, bitmap: string): Iterable<SourceFile> {
  const missing = Bitmap.parse(bitmap)
  return {
    *[Symbol.iterator]() {
      if (missing.count === 0) return
      let index = 0
      for (const file of filesOf(entries)) {
        if (missing.has(index)) yield file
        index += 1
      }
    },
  }
}

/** What packing needs to know about a file. */
export type TreeFile = Extract<TreeEntry, { kind: 'file' }>

export function filesOf<T extends TreeEntry>(entries: Iterable<T>): Iterable<T & { readonly kind: 'file' }> {
  return {
    *[Symbol.iterator]() {
      for (const entry of entries) if (isFile(entry)) yield entry
    },
  }
}

function isFile<T extends TreeEntry>(entry: T): entry is T & { readonly kind: 'file' } {
  return entry.kind === 'file'
}

export function totalSize(files: Iterable<Pick<TreeFile, 'size'>>): number {
  let sum = 0
  for (const { size } of files) sum += size
  return sum
}

/** One compressed stream. */
export interface Part {
  readonly files: readonly TreeFile[]
  readonly content: Readable
  /** How many bytes of the files have gone into the stream. */
  takenBytes(): number
}

/**
 * Size of a part, unless a single file is larger: eight windows of brotli, so that splitting costs almost
 * nothing.
 */
const PART_BYTES = 8 * 1024 * 1024
const PART_FILES = 4000
/** Parts packed at once, each in its own thread. */
const AT_ONCE = 2
/** How much of each part may be packed ahead, in bytes. */
const AHEAD = 4 * 1024 * 1024

/**
 * Yields the files in parts, in the order in which they are sent. Packs the next part while one is being read.
 * @param bytes how many there are
 */
export function* contentParts(
  files: Iterable<TreeFile>,
  bytes: number = totalSize(files),
): Generator<Part, void, undefined> {
  const quality = qualityFor(bytes)
  const begun: Part[] = []
  try {
    for (const part of cut(inSendingOrder(files))) {
      let taken = 0
      const content = compress(
        contents(part, (more) => (taken += more)),
        quality,
        AHEAD,
      )
      begun.push({ files: part, content, takenBytes: () => taken })
      if (begun.length < AT_ONCE) continue
      yield begun[0]!
      begun.shift()
    }
    for (; begun.length > 0; begun.shift()) yield begun[0]!
  } finally {
    for (const { content } of begun) content.destroy()
  }
}

function* cut(files: Iterable<TreeFile>): Generator<readonly TreeFile[], void, undefined> {
  let part: TreeFile[] = []
  let bytes = 0
  for (const file of files) {
    if (part.length === PART_FILES || (part.length > 0 && bytes + file.size > PART_BYTES)) {
      yield part
      ;[part, bytes] = [[], 0]
    }
    part.push(file)
    bytes += file.size
  }
  if (part.length > 0) yield part
}

/** How much is read and packed at once, in bytes. */
const PIECE = 256 * 1024
/** How much compressed data comes out at once, in bytes. */
const CHUNK = 64 * 1024

/**
 * Yields the bytes of the files in pieces of one size, because each piece costs a turn of Node's event loop,
 * however small. All pieces share one buffer: one each would be gigabytes of garbage. Files are read
 * synchronously: a file handle for each of 50,000 files is garbage that stays for long.
 * @throws Failure `file-unreadable`, and `file-changed` when a file is not what was hashed
 */
function* contents(
  files: readonly TreeFile[],
  progress: (bytes: number) => void,
): Generator<Buffer, void, undefined> {
  const piece = Buffer.allocUnsafe(PIECE)
  let filled = 0
  for (const { source, path, size } of files) {
    const handle = open(source)
    let read = 0
    try {
      for (;;) {
        const bytesRead = readSync(handle, piece, filled, PIECE - filled, null)
        if (bytesRead === 0) break
        read += bytesRead
        filled += bytesRead
        progress(bytesRead)
        if (filled < PIECE) continue
        yield piece
        filled = 0
      }
    } finally {
      closeSync(handle)
    }
    if (read !== size) {
      throw failure('file-changed', { path })
    }
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

/** From this many lines on a manifest is packed at a lower quality: 10 would take 0.1 s for a whole build's. */
const MANY = 500

/**
 * Returns brotli's quality for so many bytes. On one core quality 10 packs 5 MB of a build a second, 5 packs 60
 * and 4 packs 90, each about a tenth less than the next. So small amounts are packed well at no noticeable
 * time, and large ones, in several threads, faster than most networks carry them.
 */
function qualityFor(bytes: number): number {
  return bytes <= 1_000_000 ? 10 : 5
}

/**
 * As a power of two, in bytes. With 22 large JavaScript files are 5 to 15 % smaller, but a build of 38 MB only
 * 0.4 %, and each packer takes 8 MB that malloc hardly returns (glibc, an arena for each of Node's threads):
 * 230 MB in all.
 */
const WINDOW = 20

/**
 * @param source each piece is free for reuse when the next one is requested
 * @param ahead how much may be packed before it is read, in bytes
 */
function compress(source: Iterable<Buffer>, quality: number, ahead = CHUNK): Readable {
  const packed = createBrotliCompress({
    chunkSize: CHUNK,
    readableHighWaterMark: ahead,
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: WINDOW },
  } as BrotliOptions)
  // The reader gets the error, however late it reads.
  packed.on('error', () => undefined)
  feed(packed, source).catch((error: Error) => packed.destroy(error))
  return packed
}

/** Writes the next piece when the one before has been processed: no stream's queue keeps any. */
async function feed(packed: BrotliCompress, source: Iterable<Buffer>): Promise<void> {
  // Not in the caller's turn: the caller may have more to start.
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
