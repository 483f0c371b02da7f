/** health-check: after the server's own proof, asks the public URL from the runner. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Inputs } from '../inputs/index.ts'
import { Failure } from '../common/failure.ts'

const TRY_TIMEOUT = 10_000
const EXCERPT = 500

/**
 * Asks until the URL is healthy or the time is over.
 * @returns what it answered
 * @throws Failure `public-url-unhealthy`
 */
export async function askPublicUrl(
  url: string,
  { status, body, timeoutMs, intervalMs }: Inputs['health'],
): Promise<string> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask(url)
    const accepted = status.some(([from, to]) => answer.status >= from && answer.status <= to)
    if (accepted && (body === undefined || answer.text.includes(body)))
      return `${url} answered HTTP ${answer.status}`
    if (performance.now() >= deadline) {
      const seen = answer.status === 0 ? answer.text : `HTTP ${answer.status}`
      throw new Failure('public-url-unhealthy', `${url} was not healthy within ${timeoutMs} ms: ${seen}`, {
        remedy:
          'The release is healthy on the server itself: look at what stands in front of it (proxy, DNS, firewall, TLS).',
        evidence: answer.text.slice(0, EXCERPT),
      })
    }
    await delay(intervalMs)
  }
}

async function ask(url: string): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(TRY_TIMEOUT) })
    return { status: response.status, text: await response.text() }
  } catch (error) {
    const { message, cause } = error as Error
    return { status: 0, text: cause instanceof Error ? `${message}: ${cause.message}` : message }
  }
}
