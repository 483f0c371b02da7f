/** What a balancer does at its worst: it asks one host for a page, and another for all that the page then needs. */
import { createServer, request } from 'node:http'
import { type AddressInfo } from 'node:net'

export interface SplitProxy {
  readonly url: string
  /** How many requests each host got. */
  readonly asked: Readonly<Record<'pages' | 'rest', number>>
  stop(): Promise<void>
}

/** @param hosts the URLs of the host that is asked for pages, and of the one that is asked for everything else */
export async function startSplitProxy(
  hosts: Readonly<Record<'pages' | 'rest', string>>,
): Promise<SplitProxy> {
  const asked = { pages: 0, rest: 0 }
  const server = createServer((incoming, outgoing) => {
    const kind = incoming.headers['sec-fetch-dest'] === 'document' ? 'pages' : 'rest'
    asked[kind] += 1
    const { method, headers, url } = incoming
    const forwarded = request(new URL(url ?? '/', hosts[kind]), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forwarded.on('error', () => outgoing.writeHead(502).end())
    incoming.pipe(forwarded)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
