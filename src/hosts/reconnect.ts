/** Resumes work on a server after the connection was lost. */
import type { Log } from '../pipeline.ts'
import { Failure } from '../common/failure.ts'
import { sleep } from '../common/timeout.ts'
import type { Host } from './host.ts'

/** How long a server may be out of reach, in ms. A try takes up to `connect-timeout` of its own. */
export const PATIENCE = 180_000
/** Pauses between tries to reach the server again, in ms. */
const BACKOFF = [0, 500, 1000, 2000, 4000, 8000, ...Array<number>(11).fill(15_000)]

export interface Work<T> {
  begin(): Promise<T>
  /** Continues in a new session from what the server knows of the work. */
  resume(): Promise<T>
  /** Failures of `resume` that are not worth another try. */
  isFinal(failure: Failure): boolean
}

/**
 * Runs the work, and resumes it in a new session whenever the connection is lost.
 * @param log called for each loss and each try
 * @throws Failure of the work; `connection-lost` when the server stays out of reach
 */
export async function throughLosses<T>(
  host: Pick<Host, 'reconnect'>,
  { begin, resume, isFinal }: Work<T>,
  log: Log['info'],
  patienceMs = PATIENCE,
): Promise<T> {
  let lost: Failure
  try {
    return await begin()
  } catch (error) {
    lost = Failure.from(error)
    if (lost.code !== 'connection-lost') throw lost
    log(lost.message)
  }
  let end = performance.now() + patienceMs
  for (const pause of BACKOFF) {
    if (performance.now() + pause > end) break
    await sleep(pause)
    let connected = false
    try {
      await host.reconnect()
      connected = true
      log('the connection is back')
      return await resume()
    } catch (error) {
      const failure = Failure.from(error)
      if (connected && isFinal(failure)) throw failure
      if (connected) end = performance.now() + patienceMs
      log(connected ? failure.message : `the server is out of reach: ${failure.message}`)
    }
  }
  throw lost
}

/** Retries until the server is reached. @throws Failure of the last try, after `patienceMs` */
export async function untilReachable<T>(
  open: () => Promise<T>,
  log: Log['info'],
  patienceMs: number,
): Promise<T> {
  const end = performance.now() + patienceMs
  for (const pause of BACKOFF.slice(1)) {
    try {
      return await open()
    } catch (error) {
      if (performance.now() + pause > end) throw error
      log(`the server is out of reach: ${Failure.from(error).message}`)
      await sleep(pause)
    }
  }
  return open()
}
