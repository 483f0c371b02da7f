/** Lines about long work: how much is done, the speed, the time left. */
import { formatBytes, formatDuration } from '../common/format.ts'
import type { Log } from '../pipeline.ts'

const EVERY_MS = 2000

/**
 * Prints nothing for work that ends within two seconds.
 * @param what it does, as in `sent` @param total bytes @param now in ms
 * @returns call it with the bytes of each piece that is done
 */
export function startProgress(
  log: Pick<Log, 'info'>,
  what: string,
  total: number,
  now: () => number = () => performance.now(),
): (bytes: number) => void {
  const begun = now()
  let told = begun
  let done = 0
  return (bytes) => {
    done += bytes
    const time = now()
    if (time - told < EVERY_MS || done >= total) return
    told = time
    const perMs = done / (time - begun)
    const left = formatDuration((total - done) / perMs)
    log.info(
      `${what} ${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(Math.round(perMs * 1000))}/s, ${left} left`,
    )
  }
}
