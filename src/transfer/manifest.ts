/** Turns the deploy tree into its manifest: every file with its hash. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Tree, TreeEntry } from '../next/assemble.ts'
import type { ManifestEntry } from '../protocol/manifest.ts'

export type SourceFile = Extract<TreeEntry, { kind: 'file' }> & { readonly hash: string }

export interface Manifest {
  readonly entries: readonly ManifestEntry[]
  /** The files among the entries, in the same order, with where their bytes are. */
  readonly files: readonly SourceFile[]
  readonly bytes: number
}

/** Files hashed at once: enough to keep the disk and the hash busy together. */
const PARALLEL = 8

export async function createManifest(tree: Tree): Promise<Manifest> {
  const hashes = new Map<string, string>()
  const waiting = tree.entries.filter((entry) => entry.kind === 'file')[Symbol.iterator]()
  const hashAll = async () => {
    for (const { path, source } of waiting) hashes.set(path, await hashFile(source))
  }
  await Promise.all(Array.from({ length: PARALLEL }, hashAll))

  const files: SourceFile[] = []
  const entries = tree.entries.map((entry): ManifestEntry => {
    if (entry.kind !== 'file') return entry
    const { kind, path, mode, size } = entry
    const hash = hashes.get(path)!
    files.push({ ...entry, hash })
    return { kind, path, mode, size, hash }
  })
  return { entries, files, bytes: files.reduce((sum, { size }) => sum + size, 0) }
}

async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file, { highWaterMark: 256 * 1024 }), hash)
  return hash.digest('hex')
}
