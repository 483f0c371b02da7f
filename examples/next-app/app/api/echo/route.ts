import { createHash } from 'node:crypto'

/** Answers the body's length in bytes and its SHA-256, reading it as a stream: any size fits in memory. */
export async function POST(request: Request): Promise<Response> {
  const hash = createHash('sha256')
  let length = 0
  for await (const chunk of request.body ?? []) {
    hash.update(chunk)
    length += chunk.byteLength
  }
  return Response.json({ length, sha256: hash.digest('hex') })
}
