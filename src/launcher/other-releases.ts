/**
 * Static files of other releases that this worker's Next.js cannot know: it lists its files when it boots (14.2,
 * 15.5, 16.4). While one release replaces another the workers of both answer, and a page of one asks the other
 * for its chunks and images. They are public, and have names that no other content has.
 */
import { createReadStream, fstatSync, readdirSync, readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { extname, join, posix } from 'node:path'
import type { ReleaseInfo } from '../protocol/messages.ts'
import type { Release } from './release.ts'

export interface OtherReleases {
  /** From here on, what only another release has comes from there. Everything else is left to the app. */
  attach(app: Server): void
}

/** Call before the app boots: what is there now is what it will list. */
export function otherReleases({ directory, staticPath }: Release): OtherReleases {
  const releases = join(directory, '..')
  const known = new Map<string, string | null>()
  const own = new Set(staticPath === null ? [] : filesIn(join(directory, staticPath)))

  /** The file that is asked for, if it is only in another release. */
  const elsewhere = (path: string): string | undefined => {
    const name = staticName(path)
    if (name === undefined || own.has(name)) return undefined
    for (const id of [...list(releases)].sort().reverse()) {
      const folder = known.get(id) ?? staticPathOf(join(releases, id))
      known.set(id, folder)
      const file = folder === null ? undefined : join(releases, id, folder, name)
      if (file !== undefined && isFile(file)) return file
    }
    return undefined
  }

  const answer = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const [path = '', query = ''] = (request.url ?? '').split('?')
    if (path.includes(STATIC)) {
      const file = elsewhere(path)
      if (file === undefined) return false
      send(file, 'public, max-age=31536000, immutable', request, response)
      return true
    }
    if (!path.endsWith('/_next/image')) return false
    const url = new URLSearchParams(query).get('url') ?? ''
    const file = url.startsWith('/') ? elsewhere(url) : undefined
    if (file === undefined) return false
    // As it is: the app's optimizer would not find it.
    send(file, 'public, max-age=0, must-revalidate', request, response)
    return true
  }

  return {
    attach(app) {
      if (staticPath === null) return
      const listeners = app.listeners('request') as ((...args: unknown[]) => void)[]
      app.removeAllListeners('request')
      app.on('request', (request, response) => {
        if (answer(request, response)) return
        for (const listener of listeners) listener.call(app, request, response)
      })
    },
  }
}

const STATIC = '/_next/static/'

/** The part below the static folder, whatever base path or asset prefix comes before; undefined for anything odd. */
function staticName(path: string): string | undefined {
  const at = path.indexOf(STATIC)
  if (at < 0) return undefined
  try {
    const name = decodeURIComponent(path.slice(at + STATIC.length).replace(/\?.*$/, ''))
    const safe = name !== '' && !name.includes('\0') && posix.normalize(`/${name}`) === `/${name}`
    return safe ? name : undefined
  } catch {
    return undefined
  }
}

function staticPathOf(release: string): string | null {
  try {
    const info = JSON.parse(readFileSync(join(release, '.gapless', 'release.json'), 'utf8')) as ReleaseInfo
    return info.staticPath ?? null
  } catch {
    return null
  }
}

/** Nothing, where it is no folder. */
function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function filesIn(folder: string, path = ''): readonly string[] {
  return list(join(folder, path)).flatMap((entry) => {
    const name = posix.join(path, entry)
    return isFile(join(folder, name)) ? [name] : filesIn(folder, name)
  })
}

/**
 * False for whatever cannot be looked at: visitors choose the names, and even without an entry Node throws for one
 * that is too long (18 to 24) or goes on below a file (18, 20).
 */
function isFile(file: string): boolean {
  try {
    return statSync(file).isFile()
  } catch {
    return false
  }
}

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

function send(file: string, caching: string, request: IncomingMessage, response: ServerResponse): void {
  const content = createReadStream(file)
  const fail = () => {
    content.destroy()
    // Its release was removed at this very moment, or the disk fails.
    if (response.headersSent) return void response.destroy()
    for (const name of ['Content-Type', 'Content-Length', 'Cache-Control']) response.removeHeader(name)
    response.statusCode = 404
    response.end()
  }
  content.once('open', (descriptor) => {
    try {
      // Of what was opened: by now the name may be gone.
      response.setHeader('Content-Length', fstatSync(descriptor).size)
    } catch {
      return fail()
    }
    response.setHeader('Content-Type', TYPES[extname(file).toLowerCase()] ?? 'application/octet-stream')
    response.setHeader('Cache-Control', caching)
    if (request.method === 'GET') return void content.pipe(response)
    content.destroy()
    response.end()
  })
  content.once('error', fail)
  response.once('close', () => content.destroy())
}
