/** check: the public URL, requested once from the runner. */
import type { Check } from '../outcome.ts'

/** In ms. */
const LIMIT = 10_000

export async function checkUrl(url: string | null): Promise<readonly Check[]> {
  if (url === null) return []
  const what = 'health-check-url'
  try {
    const { status } = await fetch(url, { signal: AbortSignal.timeout(LIMIT), redirect: 'manual' })
    // Before the first deploy a proxy answers 502: it was reached.
    return [
      {
        level: status < 500 ? 'ok' : 'doubt',
        what,
        value: `answers ${status}`,
        remedy: status < 500 ? null : 'If a release is live, check the proxy.',
      },
    ]
  } catch (error) {
    const value =
      error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error)
    return [{ level: 'doubt', what, value, remedy: 'Check DNS, firewall and TLS in front of the server.' }]
  }
}
