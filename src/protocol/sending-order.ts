/** The order in which contents are sent; both ends must agree on it. */

/** In bytes. */
const LARGE = 1024 * 1024

/**
 * Small files in the manifest's order, then the large ones, each larger than the one before. A small file costs the
 * server far more time than its bytes cost the wire: it catches up while the large ones arrive. Only those are kept
 * meanwhile, and however large a release is, there is room for few of them in it.
 */
export function largeOnesLast<T extends { readonly size: number }>() {
  const large: T[] = []
  return {
    /** Whether it is its turn; a large one waits. */
    isNext(file: T): boolean {
      if (file.size > LARGE) large.push(file)
      return file.size <= LARGE
    },
    /** Those that waited, when no more come. */
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
