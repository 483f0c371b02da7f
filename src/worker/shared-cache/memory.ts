/** Entries in memory: those that were wanted last, up to a size. */

export class Memory<T> {
  readonly #largest: number
  readonly #entries = new Map<string, { readonly entry: T; readonly size: number }>()
  #size = 0

  /** @param largest of all entries together, in bytes; 0: keeps none */
  constructor(largest: number) {
    this.#largest = largest
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.entry
  }

  /** Counts an entry as wanted now: the last of the map goes last. */
  touch(key: string): void {
    const found = this.#entries.get(key)
    if (found === undefined) return
    this.#entries.delete(key)
    this.#entries.set(key, found)
  }

  set(key: string, entry: T, size: number): void {
    this.delete(key)
    if (size > this.#largest) return
    this.#entries.set(key, { entry, size })
    this.#size += size
    for (const [oldest, { size: freed }] of this.#entries) {
      if (this.#size <= this.#largest) break
      this.#entries.delete(oldest)
      this.#size -= freed
    }
  }

  delete(key: string): void {
    const found = this.#entries.get(key)
    if (found === undefined) return
    this.#entries.delete(key)
    this.#size -= found.size
  }
}

/** About as Next.js reckons it (14 to 16): texts and buffers, wherever they are in the value. */
export function sizeOf(value: unknown, depth = 4): number {
  if (typeof value === 'string') return value.length
  if (ArrayBuffer.isView(value)) return value.byteLength
  if (value === null || typeof value !== 'object' || depth === 0) return 8
  const parts = value instanceof Map ? [...value].flat() : Object.entries(value).flat()
  return parts.reduce<number>((sum, part) => sum + sizeOf(part, depth - 1), 8)
}
