/** What PM2 does to a process before the launcher runs, done to a candidate, so that it meets what a worker meets. */

/** @param directory the release's folder */
export function becomeLikeWorker(directory: string): void {
  // PM2 starts Node in its daemon's folder, and only then changes to the app's (ProcessContainer.js, 5.4 to 7).
  process.chdir(directory)
  process.argv.splice(2)
  process.setSourceMapsEnabled?.(true)
  // PM2's own listener: with one, Node does not end the process.
  process.on('unhandledRejection', (error) => console.error('gapless: unhandled rejection:', error))
}
