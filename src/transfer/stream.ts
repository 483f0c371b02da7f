/** The two streams of an upload, compressed: the manifest, and the contents that the server lacks. */
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
 * The manifest, as what is different from the server's base: a folder that it has just so is one line.
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

/** `a/b/c` lies in `a` and in `a/b`. */
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

/** What packing needs to know of a file. */
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

/** What is packed into one compressed stream of its own. */
export interface Part {
  readonly files: readonly TreeFile[]
  readonly content: Readable
  /** Of the files' bytes, how many have gone into the stream. */
  takenBytes(): number
}

/** Of a part, unless a single file is larger: eight windows of brotli, so that cutting costs next to nothing. */
const PART_BYTES = 8 * 1024 * 1024
const PART_FILES = 4000
/** Parts packed at once, each in a thread of its own. */
const AT_ONCE = 2
/** What may be packed ahead of its turn, of each part, in bytes. */
const AHEAD = 4 * 1024 * 1024

/**
 * The files in parts, in the order in which they are sent. The one after the one that is being read is packed meanwhile.
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

/** In bytes: what is read, and packed, at once. */
const PIECE = 256 * 1024
/** In bytes: what comes out at once. */
const CHUNK = 64 * 1024

/**
 * The files' bytes in pieces of one size, because each piece costs a turn of Node's event loop, however small; all in
 * the same buffer: one for each would be garbage by the gigabyte. They are read at once: a handle of Node's own for
 * each of 50,000 files is garbage that stays for long.
 * @throws Failure `file-unreadable`, and `file-changed` when a file is not what was hashed: something still writes into the build
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

/** Lines from which on a manifest is not packed as well as can be: 10 would take 0.1 s for a whole build's. */
const MANY = 500

/**
 * Brotli's quality for so many bytes. Of a build's content, on one core: 10 packs 5 MB a second, 5 packs 60, 4 packs 90,
 * each to some tenth less than the next. So little is packed well at no noticeable time, and much, in several threads,
 * faster than most networks carry it.
 */
function qualityFor(bytes: number): number {
  return bytes <= 1_000_000 ? 10 : 5
}

/**
 * As a power of two, in bytes. With 22 much JavaScript is 5 to 15 % smaller, a build of 38 MB 0.4 %; but each packer
 * then takes 8 MB of which malloc gives little back (glibc, an arena for each of Node's threads): 230 MB in all.
 */
const WINDOW = 20

/**
 * @param source each of its pieces is done with when it is asked for the next
 * @param ahead what may be packed before anybody asks for it, in bytes
 */
function compress(source: Iterable<Buffer>, quality: number, ahead = CHUNK): Readable {
  const packed = createBrotliCompress({
    chunkSize: CHUNK,
    readableHighWaterMark: ahead,
    params: { [constants.BROTLI_PARAM_QUALITY]: quality, [constants.BROTLI_PARAM_LGWIN]: WINDOW },
  } as BrotliOptions)
  // An error shows to who reads it, be it much later.
  packed.on('error', () => undefined)
  feed(packed, source).catch((error: Error) => packed.destroy(error))
  return packed
}

/** The next piece comes when the one before has been worked off: no stream's queue keeps any. */
async function feed(packed: BrotliCompress, source: Iterable<Buffer>): Promise<void> {
  // Not in the turn of who asked: it may have more to begin.
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
