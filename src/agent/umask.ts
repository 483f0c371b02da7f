/** Releases are for others to read, such as nginx and its `public` files: a strict umask must not close them. */
export async function readableByOthers<T>(work: () => Promise<T>): Promise<T> {
  const before = process.umask(0o022)
  try {
    return await work()
  } finally {
    // The app's workers keep what the user has set.
    process.umask(before)
  }
}
