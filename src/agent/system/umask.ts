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

/**
 * For processes that an activation starts: under umask 0 PM2's folder would be writable by everybody (seen in
 * 7.0.4), and with it the daemon's socket, its dump and its pid file.
 */
export function closeToOthers(): void {
  process.umask(process.umask() | 0o002)
}
