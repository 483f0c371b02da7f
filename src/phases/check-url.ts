/** check: the public URL, requested once from the runner. */
import { type Check, doubt, ok } from '../common/check.ts'

/** In ms. */
const LIMIT = 10_000

export async function checkUrl(url: string | null): Promise<readonly Check[]> {
  if (url === null) return []
  const what = 'health-check-url'
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(LIMIT), redirect: 'manual' })
    const value = `answers ${status}`
    // Before the first deploy a proxy answers 502: it was reached.
    return [status < 500 ? ok(what, value) : doubt(what, value, 'If a release is live, check the proxy.')]
  } catch (error) {
    const value =
      error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error)
    return [doubt(what, value, 'Check DNS, firewall and TLS in front of the server.')]
  }
}
