/** Releases must be readable by others, such as nginx with its `public` files, even under a strict umask. */
export async function readableByOthers<T>(work: () => Promise<T>): Promise<T> {
  const before = process.umask(0o022)
  try {
    return await work()
  } finally {
    // The app's workers keep the user's umask.
    process.umask(before)
  }
}

/** For processes of an activation: under umask 0 everybody could write in PM2's folder (7.0.4), and to its daemon. */
export function closeToOthers(): void {
  process.umask(process.umask() | 0o002)
}
