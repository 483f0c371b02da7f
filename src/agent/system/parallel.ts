/** Calls `act` on all items, `limit` at once. Rejects with the first failure, once the running calls have ended. */
export async function inParallel<T>(
  items: AsyncIterable<T> | Iterable<T>,
  limit: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const rest = each(items)
  let failed = false
  const work = async () => {
    for (;;) {
      const { done, value } = await rest.next()
      if (done === true || failed) return
      try {
        await act(value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: limit }, work))
  await rest.return()
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

async function* each<T>(items: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T, void, undefined> {
  yield* items
}
