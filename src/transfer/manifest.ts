/** Turns the deploy tree into its manifest: every file with its hash, and a hash for every folder. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { fileHasher } from '../content/hash-file.ts'
import { type Subtree, subtreeHasher } from '../content/subtrees.ts'
import type { Tree, TreeEntry } from '../next/assemble.ts'
import { formatEntry } from '../protocol/manifest.ts'

export type SourceFile = Extract<TreeEntry, { kind: 'file' }> & { readonly hash: string }
type SourceEntry = Exclude<TreeEntry, { kind: 'file' }> | SourceFile

export interface Manifest {
  readonly entries: readonly SourceEntry[]
  /** The files among the entries, in the same order. */
  readonly files: readonly SourceFile[]
  /** The folders, each after those in it. */
  readonly folders: readonly Subtree[]
  /** SHA-256 of its lines, in hex. */
  readonly hash: string
  readonly bytes: number
}

/** What may be hashed without a turn of the event loop, in bytes. */
const TURN = 16 * 1024 * 1024

/** @param progress told of bytes that have been hashed */
export async function createManifest(
  tree: Tree,
  progress: (bytes: number) => void = () => undefined,
): Promise<Manifest> {
  const hashFile = fileHasher()
  const entries: SourceEntry[] = []
  let sinceTurn = 0
  for (const entry of tree.entries) {
    if (entry.kind !== 'file') {
      entries.push(entry)
      continue
    }
    const { kind, path, source, size, mode } = entry
    const hashing = hashFile(source, size)
    entries.push({
      kind,
      path,
      source,
      size,
      mode,
      hash: typeof hashing === 'string' ? hashing : await hashing,
    })
    progress(size)
    sinceTurn += size
    if (sinceTurn < TURN) continue
    // The connection has to be kept alive meanwhile.
    await setImmediate()
    sinceTurn = 0
  }

  const folders: Subtree[] = []
  const subtrees = subtreeHasher((subtree) => folders.push(subtree))
  const hash = createHash('sha256')
  for (const entry of entries) {
    subtrees.add(entry)
    hash.update(formatEntry(entry))
  }
  subtrees.end()
  const files = entries.filter((entry) => entry.kind === 'file')
  const bytes = files.reduce((sum, { size }) => sum + size, 0)
  return { entries, files, folders, hash: hash.digest('hex'), bytes }
}
