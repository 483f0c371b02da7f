/** Packs what servers lack, once for all servers that lack the same. */
import { Bitmap } from '../common/bitmap.ts'
import type { Manifest } from './manifest.ts'
import { pack, type Packed, type PackedPart } from './pack.ts'
import { manifestStream, missingFiles } from './stream.ts'

export interface Packer {
  /** @param base see manifestStream */
  manifest(base: string): AsyncIterable<Buffer>
  /**
   * The parts that are being packed ahead, to be sent unasked: all files, as a bitmap like `missing`; null:
   * none.
   */
  readonly guess: string | null
  /**
   * @param missing bitmap, base64, see missingFiles
   * @param bytes how many bytes these files have
   * @param progress called with the bytes of the files that were read
   */
  parts(missing: string, bytes: number, progress: (bytes: number) => void): AsyncIterable<PackedPart>
  /** Afterwards nothing can be read. */
  close(): Promise<void>
}

/**
 * @param everything all files of the tree, for a server that has none yet: packed before the server has asked
 */
export function createPacker(manifest: Manifest, everything?: Packed): Packer {
  const manifests = new Map<string, () => AsyncIterable<Buffer>>()
  const packed = new Map<string, Packed>()
  let closed = false
  let guess: string | null = null
  if (everything !== undefined) {
    guess = Bitmap.full(manifest.fileCount).format()
    packed.set(guess, everything)
  }

  return {
    guess,
    manifest(base) {
      const read = manifests.get(base) ?? shared(manifestStream(manifest, base))
      manifests.set(base, read)
      return read()
    },
    parts(missing, bytes, progress) {
      if (closed) throw new Error('what was packed is gone')
      let same = packed.get(missing)
      if (same === undefined || same.isStopped()) {
        same = pack(missingFiles(manifest, missing), bytes)
        packed.set(missing, same)
      }
      return same.parts(progress)
    },
    async close() {
      closed = true
      manifests.clear()
      await Promise.all([...packed.values()].map((one) => one.close()))
    },
  }
}

/** A stream that each reader gets from its first piece on. What was read stays in memory. */
function shared<T>(stream: AsyncIterable<T>): () => AsyncIterable<T> {
  const source = stream[Symbol.asyncIterator]()
  const pieces: Promise<IteratorResult<T>>[] = []
  return async function* () {
    for (let index = 0; ; index += 1) {
      const { done, value } = await (pieces[index] ??= source.next())
      if (done === true) return
      yield value
    }
  }
}
