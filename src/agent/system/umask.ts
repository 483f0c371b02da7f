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

/**
 * For what an activation starts: under an umask of 0 PM2's folder would be for all to write in (seen in 7.0.4), and
 * with it the daemon's socket, its list for the next boot, and its pid.
 */
export function closeToOthers(): void {
  process.umask(process.umask() | 0o002)
}
