/** Builds the manifest of a deploy tree: every file with its hash, and a hash for every folder. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { fileHasher, type HashFile } from '../common/hash-file.ts'
import { isOutlined, type Subtree, subtreeHasher } from '../protocol/subtrees.ts'
import type { Tree, TreeEntry } from '../next/layers.ts'
import { fileUnreadable } from '../common/file-unreadable.ts'
import { formatEntry } from '../protocol/manifest.ts'

export type SourceFile = Extract<TreeEntry, { kind: 'file' }> & { readonly hash: string }
export type SourceEntry = Exclude<TreeEntry, { kind: 'file' }> | SourceFile

export interface Manifest {
  /** Sorted by the bytes of the path. */
  readonly entries: readonly SourceEntry[]
  readonly files: readonly SourceFile[]
  /** The folders that an outline can have, each after those in it. */
  readonly folders: readonly Subtree[]
  /** SHA-256 of its lines, in hex. */
  readonly hash: string
  readonly bytes: number
}

export function totalSize(files: readonly { readonly size: number }[]): number {
  return files.reduce((sum, { size }) => sum + size, 0)
}

/** Bytes that may be hashed without a turn of the event loop. */
const TURN = 4 * 1024 * 1024
/** The cost of a file besides its bytes, in bytes. */
const FILE = 16 * 1024

/** @param progress called with the bytes that have been hashed @throws Failure `file-unreadable` */
export async function createManifest(
  tree: Tree,
  progress: (bytes: number) => void = () => undefined,
): Promise<Manifest> {
  const hashFile = fileHasher()
  const entries: SourceEntry[] = []
  const folders: Subtree[] = []
  const subtrees = subtreeHasher((subtree) => {
    if (isOutlined(subtree)) folders.push(subtree)
  })
  const hash = createHash('sha256')
  let sinceTurn = 0
  const add = (entry: SourceEntry) => {
    entries.push(entry)
    subtrees.add(entry)
    hash.update(formatEntry(entry))
  }
  for (const entry of tree.entries) {
    if (entry.kind !== 'file') {
      add(entry)
      continue
    }
    const { kind, path, source, size, mode } = entry
    let hashing: ReturnType<HashFile>
    try {
      hashing = hashFile(source, size)
      // Awaiting a known hash would cost a turn for each file.
      if (typeof hashing !== 'string') hashing = await hashing
    } catch (error) {
      throw fileUnreadable(source, error)
    }
    add({ kind, path, source, size, mode, hash: hashing })
    progress(size)
    sinceTurn += size + FILE
    if (sinceTurn < TURN) continue
    // The connection must be kept alive.
    await setImmediate()
    sinceTurn = 0
  }
  subtrees.end()
  const files = entries.filter((entry) => entry.kind === 'file')
  return { entries, files, folders, hash: hash.digest('hex'), bytes: totalSize(files) }
}
