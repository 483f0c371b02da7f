/** The order in which contents are sent; both sides must agree on it. */

/** In bytes. */
const LARGE = 1024 * 1024

/**
 * Small files in the manifest's order, then the few large ones by size, which are kept meanwhile: a small file costs
 * the server far more time than its bytes cost the network, so the server catches up while the large ones arrive.
 */
export function largeOnesLast<T extends { readonly size: number }>() {
  const large: T[] = []
  return {
    /** Whether the file is next; a large one waits. */
    isNext(file: T): boolean {
      if (file.size > LARGE) large.push(file)
      return file.size <= LARGE
    },
    /** The files that waited. */
    rest: (): readonly T[] => large.sort((a, b) => a.size - b.size),
  }
}

export function* inSendingOrder<T extends { readonly size: number }>(
  files: Iterable<T>,
): Generator<T, void, undefined> {
  const order = largeOnesLast<T>()
  for (const file of files) if (order.isNext(file)) yield file
  yield* order.rest()
}
