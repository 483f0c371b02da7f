/** Packs what servers lack into files of the runner, once for all servers that lack the same. */
import { createReadStream, createWriteStream, mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { Bitmap } from '../common/bitmap.ts'
import { failure } from '../common/errors/runner.ts'
import type { Compression } from '../protocol/messages.ts'
import { type Manifest, totalSize } from './manifest.ts'
import { contentParts, manifestStream, missingFiles, type TreeFile } from './stream.ts'

export interface PackedPart {
  readonly fileCount: number
  /** Of the files. */
  readonly bytes: number
  readonly packedBytes: number
  readonly compression: Compression
  /** Each reader gets all of it. */
  content(): AsyncIterable<Buffer>
}

export interface Packer {
  /** @param base see manifestStream */
  manifest(base: string): AsyncIterable<Buffer>
  /**
   * The parts of missingFiles in their order. Packing pauses when it is far ahead of the fastest reader.
   * @throws Failure `runner-disk-full`, `file-changed`, `file-unreadable`
   */
  parts(missing: string): AsyncIterable<PackedPart>
  /** Removes what was packed. Afterwards nothing can be read any more. */
  close(): Promise<void>
}

/**
 * @param zstd whether all servers can unpack it
 * @param ahead whether to pack everything once the manifest has been sent. Packing earlier would delay the manifest.
 */
export function createPacker(manifest: Manifest, zstd = false, ahead = false): Packer {
  const manifests = new Map<string, Promise<readonly Buffer[]>>()
  const packed = new Map<string, Packing>()
  let folder: string | undefined
  let closed = false

  const packing = (missing: string): Packing => {
    if (closed) throw new Error('the packer is closed')
    const known = packed.get(missing)
    if (known !== undefined) return known
    folder ??= temporaryFolder()
    const files = missingFiles(manifest, missing)
    const begun = pack(files, join(folder, String(packed.size)), zstd)
    packed.set(missing, begun)
    return begun
  }
  return {
    async *manifest(base) {
      const pieces = manifests.get(base) ?? collect(manifestStream(manifest, base))
      manifests.set(base, pieces)
      yield* await pieces
      if (ahead && !closed) packing(allOf(manifest))
    },
    async *parts(missing) {
      const { part } = packing(missing)
      for (let index = 0; ; index += 1) {
        const next = await part(index)
        if (next === null) return
        yield next
      }
    },
    async close() {
      closed = true
      await Promise.all([...packed.values()].map((one) => one.stop()))
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

async function collect(stream: AsyncIterable<Buffer>): Promise<readonly Buffer[]> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return pieces
}

function allOf({ files }: Manifest): string {
  const all = new Bitmap()
  for (const index of files.keys()) all.set(index)
  return all.format()
}

interface Packing {
  /** Null: there are no more. */
  part(index: number): Promise<PackedPart | null>
  stop(): Promise<void>
}

/** In bytes. Each frame costs both sides turns of the event loop. */
const FRAME = 256 * 1024

/** Files that may be packed before anybody reads them, in bytes. The pause leaves time for a higher level. */
const LEAD = 96 * 1024 * 1024

function pack(files: readonly TreeFile[], path: string, zstd: boolean): Packing {
  const packed: Promise<PackedPart | null>[] = []
  /** By part, once it is packed: the bytes of all files up to its end. */
  const ends: number[] = []
  /** The index of the last part that a reader has asked for. */
  let furthest = -1
  const lead = () => (ends.at(-1) ?? 0) - (ends[Math.min(furthest, ends.length - 1)] ?? 0)
  const parts = contentParts(files, zstd, lead)
  const stopped = new AbortController()
  let resume = () => {}

  const packNext = async (): Promise<PackedPart | null> => {
    const next = parts.next()
    if (next.done === true) return null
    const { files, content, compression } = next.value
    const file = `${path}-${ends.length + 1}`
    const target = createWriteStream(file, { mode: 0o600, flags: 'wx' })
    try {
      await pipeline(content, target, { signal: stopped.signal })
    } catch (error) {
      throw notWritten(error)
    }
    const bytes = totalSize(files)
    ends.push((ends.at(-1) ?? 0) + bytes)
    return {
      fileCount: files.length,
      bytes,
      packedBytes: target.bytesWritten,
      compression,
      content: () => createReadStream(file, { highWaterMark: FRAME }) as AsyncIterable<Buffer>,
    }
  }
  const part = (index: number): Promise<PackedPart | null> => {
    while (packed.length <= index) packed.push(packed.at(-1)?.then(packNext) ?? packNext())
    return packed[index]!
  }
  const packAll = async () => {
    for (let index = 0; (await part(index)) !== null; index += 1) {
      while (lead() >= LEAD && !stopped.signal.aborted)
        await new Promise<void>((resolve) => (resume = resolve))
    }
  }
  // The readers report a failure.
  packAll().catch(() => undefined)
  return {
    part(index) {
      furthest = Math.max(furthest, index)
      resume()
      return part(index)
    },
    async stop() {
      stopped.abort()
      resume()
      await Promise.allSettled(packed)
      // Only now: a pipeline whose source is destroyed in the turn that begins it never settles (Node 20).
      parts.return()
    },
  }
}

/** Where GitHub's runner has room for a job, and tidies up after it: elsewhere `/tmp` may be memory. */
function temporaryFolder(): string {
  const ofRunner = process.env['RUNNER_TEMP']
  try {
    return mkdtempSync(join(ofRunner || tmpdir(), 'gapless-'))
  } catch (error) {
    // In a container of another user it may be closed to this one.
    if (!ofRunner || isFull(error)) throw notWritten(error)
    return mkdtempSync(join(tmpdir(), 'gapless-'))
  }
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function notWritten(error: unknown): unknown {
  if (!isFull(error)) return error
  return failure('runner-disk-full', {}, { evidence: (error as Error).message, cause: error })
}
