import { createReadStream, fstatSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname } from 'node:path'

export const SHORT_LIFE = 'public, max-age=0, must-revalidate'

const TYPES: Readonly<Record<string, string>> = {
  '.js': 'application/javascript; charset=UTF-8',
  '.mjs': 'application/javascript; charset=UTF-8',
  '.css': 'text/css; charset=UTF-8',
  '.json': 'application/json; charset=UTF-8',
  '.map': 'application/json; charset=UTF-8',
  '.txt': 'text/plain; charset=UTF-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.ttf': 'font/ttf',
  '.otf': 'font/otf',
  '.wasm': 'application/wasm',
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
  '.mp3': 'audio/mpeg',
  '.pdf': 'application/pdf',
}

/**
 * Sends a static file in the app's place. Caches must ask again before they reuse it: a proxy or middleware of the
 * app may add headers that the launcher does not know.
 *
 * @param headers from the app's configuration
 */
export function sendFile(
  file: string,
  headers: readonly (readonly [name: string, value: string])[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const content = createReadStream(file)
  const fail = () => {
    content.destroy()
    // Its release was removed at this very moment, or the disk fails.
    if (response.headersSent) return void response.destroy()
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    response.statusCode = 404
    response.end()
  }
  content.once('open', (descriptor) => {
    try {
      response.setHeader('Content-Type', TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream')
      for (const [name, value] of headers) response.setHeader(name, value)
      response.setHeader('Cache-Control', SHORT_LIFE)
      // Of what was opened: by now the name may be gone.
      response.setHeader('Content-Length', fstatSync(descriptor).size)
    } catch {
      return fail()
    }
    if (request.method === 'GET') return void content.pipe(response)
    content.destroy()
    response.end()
  })
  content.once('error', fail)
  response.once('close', () => content.destroy())
}
