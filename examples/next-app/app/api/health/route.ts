export const dynamic = 'force-dynamic'

/** Healthy, unless the environment says `HEALTH=bad`: the way to try out a release that fails its check. */
export function GET(): Response {
  return process.env.HEALTH === 'bad'
    ? new Response('unhealthy', { status: 500 })
    : Response.json({ ok: true })
}
