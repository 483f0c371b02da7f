/**
 * A hash for every folder of a release, over everything below it: where two releases have the same hash,
 * nothing below the folder needs to be named.
 */
import { createHash, type Hash } from 'node:crypto'
import { formatEntry, type ManifestEntry } from './manifest.ts'

export interface Subtree {
  /** Relative to the release's root; empty for the root itself. */
  readonly path: string
  /** Entries below the folder, at any depth. */
  readonly entries: number
  /** SHA-256 over the lines of the folder's own entries, each with its whole path, and the hashes of its folders. */
  readonly hash: Buffer
}

interface Open {
  readonly path: string
  readonly hash: Hash
  entries: number
}

/**
 * Takes the entries of a manifest in its order (by bytes, so that the entries of a folder are together) and
 * calls `complete` for each folder once it is complete: children first, the root last.
 */
export function subtreeHasher(complete: (subtree: Subtree) => void): {
  add(entry: ManifestEntry): void
  end(): void
} {
  const open: Open[] = [begin('')]

  const close = () => {
    const { path, entries, hash } = open.pop()!
    const digest = hash.digest()
    const parent = open.at(-1)
    parent?.hash.update(`${digest.toString('hex')}\n`)
    if (parent) parent.entries += entries
    complete({ path, entries, hash: digest })
  }

  return {
    add(entry) {
      while (!isBelow(entry.path, open.at(-1)!.path)) close()
      let from = open.at(-1)!.path.length + 1
      if (from === 1) from = 0
      for (
        let slash = entry.path.indexOf('/', from);
        slash >= 0;
        slash = entry.path.indexOf('/', slash + 1)
      ) {
        open.push(begin(entry.path.slice(0, slash)))
      }
      const folder = open.at(-1)!
      folder.hash.update(formatEntry(entry))
      folder.entries += 1
    },
    end() {
      while (open.length > 0) close()
    },
  }
}

function begin(path: string): Open {
  return { path, hash: createHash('sha256'), entries: 0 }
}

export function isBelow(path: string, folder: string): boolean {
  return folder === '' || (path.startsWith(folder) && path[folder.length] === '/')
}

/** Bytes of a hash in an outline. The whole manifest's hash finds a wrong match, which costs one more try. */
const SHORT = 6
/** A smaller folder is named entry by entry at the same cost: 8 characters here against some 40 bytes a file. */
const WORTH_IT = 4

export function isOutlined({ entries }: Subtree): boolean {
  return entries >= WORTH_IT
}

/** Returns a subtree's hash as in an outline. */
export function shortHash({ hash }: Pick<Subtree, 'hash'>): Buffer {
  return hash.subarray(0, SHORT)
}

/** Returns the short hashes of an outline as a set. @param outline base64 */
export function readOutline(outline: string): { has(subtree: Subtree): boolean } {
  const bytes = Buffer.from(outline, 'base64')
  const known = new Set<string>()
  for (let at = 0; at + SHORT <= bytes.length; at += SHORT)
    known.add(bytes.toString('latin1', at, at + SHORT))
  return { has: (subtree) => isOutlined(subtree) && known.has(shortHash(subtree).toString('latin1')) }
}
