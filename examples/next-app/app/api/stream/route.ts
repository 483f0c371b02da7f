import { setTimeout as delay } from 'node:timers/promises'

export const dynamic = 'force-dynamic'

/**
 * A response that takes its time: `chunks` lines evenly spaced over `seconds`, the first at once, then
 * `done`. A client that does not see `done` was cut off.
 */
export function GET(request: Request): Response {
  const query = new URL(request.url).searchParams
  const seconds = Number(query.get('seconds') ?? 6)
  const chunks = Number(query.get('chunks') ?? 12)
  if (!(seconds >= 0 && seconds <= 3600) || !(Number.isInteger(chunks) && chunks >= 1 && chunks <= 10_000)) {
    return new Response('seconds is 0 to 3600, chunks is 1 to 10000\n', { status: 400 })
  }
  const pause = (seconds * 1000) / chunks
  const encoder = new TextEncoder()
  let sent = 0
  const body = new ReadableStream({
    async pull(controller) {
      if (sent > 0) await delay(pause)
      if (sent < chunks) return controller.enqueue(encoder.encode(`${++sent}/${chunks}\n`))
      controller.enqueue(encoder.encode('done\n'))
      controller.close()
    },
  })
  return new Response(body, {
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      // Neither Next.js (compression) nor nginx (buffering) may hold a line back.
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    },
  })
}
