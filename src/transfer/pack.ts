/**
 * Packs files into a temporary file on the runner. Senders read it as it grows, so packing does not wait for a
 * network, needs no memory, and several hosts read the same file at their own pace.
 */
import { EventEmitter, once } from 'node:events'
import { close as closeFile, read as readFile, write as writeFile } from 'node:fs'
import { promisify } from 'node:util'
import { contentParts, type Part, type TreeFile } from './stream.ts'
import { notWritten, unnamedFile } from './unnamed-file.ts'

const [closeAsync, readAsync, writeAsync] = [promisify(closeFile), promisify(readFile), promisify(writeFile)]

/** One compressed stream. */
export interface PackedPart {
  readonly fileCount: number
  readonly content: AsyncIterable<Buffer>
}

export interface Packed {
  /**
   * Yields the parts in order, from the first on for each reader. When the last reader has left before
   * everything was packed, packing stops and the disk space is freed.
   * @param progress called with the bytes of the files that were read; within a part in proportion to what is
   * packed
   * @throws Failure `runner-disk-full`, and `file-changed`, see contentParts
   */
  parts(progress: (bytes: number) => void): AsyncIterable<PackedPart>
  /** Whether packing was stopped: there is nothing to read any more. */
  isStopped(): boolean
  /** Stops packing. Never fails. */
  close(): Promise<void>
}

/** Position of a part in the file, in bytes, and whether all of it is there. */
interface Written {
  readonly fileCount: number
  readonly takenBytes: Part['takenBytes']
  readonly from: number
  to: number
  whole: boolean
}

const PIECE = 64 * 1024

/**
 * Starts at once.
 * @param bytes how many there are
 * @throws Failure `runner-disk-full`
 */
export function pack(files: Iterable<TreeFile>, bytes: number): Packed {
  const news = new EventEmitter().setMaxListeners(0)
  const written: Written[] = []
  const file = unnamedFile()
  let readers = 0
  let stopped = false
  let isWhole = false
  let failure: unknown

  async function write(): Promise<void> {
    let at = 0
    for (const { files: some, content, takenBytes } of contentParts(files, bytes)) {
      const part: Written = { fileCount: some.length, takenBytes, from: at, to: at, whole: false }
      written.push(part)
      for await (const piece of content) {
        // A nearly full disk accepts only a piece.
        for (let from = 0; from < piece.length;) {
          if (stopped) throw new Error('what was packed is not wanted any more')
          const { bytesWritten } = await writeAsync(file, piece, from, piece.length - from, at)
          from += bytesWritten
          at += bytesWritten
        }
        part.to = at
        news.emit('more')
      }
      part.whole = true
      news.emit('more')
    }
  }
  const writing = write()
    .then(
      () => (isWhole = true),
      (error: unknown) => (failure = notWritten(error)),
    )
    .then(() => news.emit('more'))

  const more = async () => {
    if (failure !== undefined) throw failure
    await once(news, 'more')
  }
  async function* read(
    part: Written,
    progress: (bytes: number) => void,
  ): AsyncGenerator<Buffer, void, undefined> {
    let told = 0
    for (let at = part.from; ;) {
      if (at < part.to) {
        const piece = Buffer.allocUnsafe(Math.min(PIECE, part.to - at))
        const { bytesRead } = await readAsync(file, piece, 0, piece.length, at)
        if (bytesRead === 0) throw new Error('what was packed is not there')
        at += bytesRead
        yield piece.subarray(0, bytesRead)
        const now = Math.floor((part.takenBytes() * (at - part.from)) / (part.to - part.from))
        progress(Math.max(0, now - told))
        told = Math.max(told, now)
      } else if (part.whole) {
        return
      } else {
        await more()
      }
    }
  }

  let closing: Promise<void> | undefined
  const close = () => {
    stopped = true
    closing ??= writing.then(() => closeAsync(file)).catch(() => undefined)
    return closing
  }
  return {
    async *parts(progress) {
      readers += 1
      try {
        for (let index = 0; ; index += 1) {
          while (index >= written.length) {
            if (isWhole) return
            await more()
          }
          const part = written[index]!
          yield { fileCount: part.fileCount, content: read(part, progress) }
        }
      } finally {
        readers -= 1
        if (readers === 0 && !isWhole && failure === undefined) void close()
      }
    },
    isStopped: () => stopped,
    close,
  }
}
