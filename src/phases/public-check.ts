/** health-check: requests the public URL from the runner, after the server's own checks. */
import { failure } from '../common/errors/run.ts'
import { formatLimit } from '../common/format.ts'
import { type HealthCheck, judge } from '../common/health.ts'
import { sleep } from '../common/timeout.ts'

const TRY_TIMEOUT = 10_000

/** Requests the URL until it is healthy. @returns what it answered @throws Failure `public-url-unhealthy` */
export async function checkPublicUrl(url: string, check: HealthCheck): Promise<string> {
  const { timeoutMs, intervalMs } = check
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const { healthy, detail, excerpt } = await request(url, check)
    if (healthy) return `${url} answered ${detail}`
    if (performance.now() >= deadline) {
      const values = { url, limit: formatLimit(timeoutMs), seen: detail }
      throw failure('public-url-unhealthy', values, { evidence: excerpt })
    }
    await sleep(intervalMs)
  }
}

async function request(url: string, check: HealthCheck): Promise<ReturnType<typeof judge>> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(TRY_TIMEOUT) })
    return judge(check, response.status, await response.text())
  } catch (error) {
    const { name, message: said, cause } = error as Error
    const message = name === 'TimeoutError' ? `no answer within ${formatLimit(TRY_TIMEOUT)}` : said
    const detail = cause instanceof Error ? `${message}: ${cause.message}` : message
    return { healthy: false, status: 0, detail, excerpt: '' }
  }
}
