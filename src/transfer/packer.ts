/** Packs what servers lack, for one of them or for several. */
import { Bitmap } from '../content/bitmap.ts'
import type { Tree } from '../next/layers.ts'
import type { Manifest } from './manifest.ts'
import { contentParts, filesOf, manifestStream, missingFiles, type TreeFile } from './stream.ts'

export interface PackedPart {
  readonly files: readonly TreeFile[]
  readonly content: AsyncIterable<Buffer>
}

export interface Packer {
  /** @param base see manifestStream */
  manifest(base: string): AsyncIterable<Buffer>
  /** Whether all of it is being packed ahead, to be sent unasked. */
  readonly guesses: boolean
  /**
   * @param missing bitmap, base64, see missingFiles
   * @param progress told of the files' bytes that were handed out
   */
  parts(missing: string, progress: (bytes: number) => void): AsyncIterable<PackedPart> | Iterable<PackedPart>
  /** Afterwards nothing can be read any more. */
  close(): Promise<void>
}

/** Everything there is, whose first parts are packed before anybody has asked for them. */
export interface Ahead {
  parts(progress: (bytes: number) => void): Iterable<PackedPart>
  drop(): void
}

/** @param bytes how many there are */
export function packAhead({ entries }: Tree, bytes: number): Ahead {
  let packed = 0
  let told: (bytes: number) => void = (more) => {
    packed += more
  }
  const parts = contentParts(filesOf(entries), (more) => told(more), bytes)
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

/**
 * For one host: it reads what is being packed.
 * @param ahead of the same tree, for a server that has nothing yet
 */
export function packForOne(manifest: Manifest, ahead?: Ahead): Packer {
  const all = Bitmap.full(manifest.fileCount).format()
  let begun = ahead
  return {
    guesses: ahead !== undefined,
    manifest: (base) => manifestStream(manifest, base),
    parts(missing, progress) {
      const given = begun
      begun = undefined
      if (given !== undefined && missing === all) return given.parts(progress)
      given?.drop()
      return contentParts(missingFiles(manifest, missing), progress)
    },
    async close() {
      begun?.drop()
    },
  }
}
