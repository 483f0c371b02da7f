/** A list in a file instead of in memory. */
import { readSync, writeSync } from 'node:fs'
import { notWritten, unnamedFile } from './unnamed-file.ts'

/** How much is written and read at once, in bytes. */
const PIECE = 64 * 1024

export interface Spool<T> extends Iterable<T> {
  /** @param item any JSON value; a reader does not see the items of an earlier read again */
  add(item: T): void
}

/** @throws Failure `runner-disk-full`, also while items are added */
export function createSpool<T>(): Spool<T> {
  const handle = unnamedFile()
  let size = 0
  let waiting = ''

  const write = () => {
    const bytes = Buffer.from(waiting)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at, bytes.length - at, size + at)
    } catch (error) {
      throw notWritten(error)
    }
    size += bytes.length
    waiting = ''
  }
  function* read(): Generator<T, void, undefined> {
    if (waiting !== '') write()
    const piece = Buffer.allocUnsafe(PIECE)
    let begun: Buffer = Buffer.alloc(0)
    for (let at = 0; at < size;) {
      const bytesRead = readSync(handle, piece, 0, PIECE, at)
      at += bytesRead
      const bytes = Buffer.concat([begun, piece.subarray(0, bytesRead)])
      let from = 0
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
        yield JSON.parse(bytes.toString('utf8', from, end)) as T
        from = end + 1
      }
      begun = bytes.subarray(from)
    }
  }
  return {
    add(item) {
      waiting += `${JSON.stringify(item)}\n`
      if (waiting.length >= PIECE) write()
    },
    [Symbol.iterator]: read,
  }
}
