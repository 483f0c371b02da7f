/**
 * Static files of other releases that this worker's Next.js cannot know: it lists its files when it boots (14.2,
 * 15.5, 16.4). While one release replaces another the workers of both answer, and a page of one asks the other
 * for its chunks and images. They are public, and have names that no other content has.
 */
import { readdirSync, statSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { basename, join, posix } from 'node:path'
import { configuredHeaders } from './configured-headers.ts'
import { type NextBuild, readNextBuild } from './next-build.ts'
import type { Release } from './release.ts'
import { sendFile } from './send-file.ts'

export interface OtherReleases {
  /** From here on, what only another release has comes from there. Everything else is left to the app. */
  attach(app: Server): void
}

/** Call before the app boots: what is there now is what it will list. */
export function otherReleases({ directory }: Release): OtherReleases {
  const own = readNextBuild(directory)
  const listed = new Set(own === null ? [] : filesIn(own.staticFolder))
  const others = buildsBeside(directory)

  /** The build whose file is asked for, if it is only in another release. */
  const elsewhere = (path: string): { readonly build: NextBuild; readonly file: string } | undefined => {
    const name = staticName(path)
    if (name === undefined || listed.has(name)) return undefined
    return others()
      .map((build) => ({ build, file: join(build.staticFolder, name) }))
      .find(({ file }) => isFile(file))
  }

  const answer = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const [path = '', query = ''] = (request.url ?? '').split('?')
    // An image is sent as it is: the app's optimizer would not find it.
    const image = path.endsWith('/_next/image') ? (new URLSearchParams(query).get('url') ?? '') : ''
    const found = elsewhere(path.includes(STATIC) ? path : image.startsWith('/') ? image : '')
    if (found === undefined) return false
    sendFile(found.file, configuredHeaders(found.build.headers, request), request, response)
    return true
  }

  return {
    attach(app) {
      if (own === null) return
      const listeners = app.listeners('request') as ((...args: unknown[]) => void)[]
      app.removeAllListeners('request')
      app.on('request', (request, response) => {
        if (answer(request, response)) return
        for (const listener of listeners) listener.call(app, request, response)
      })
    },
  }
}

/** The builds of all other releases on the server, newest first, as they are at each call. */
function buildsBeside(directory: string): () => readonly NextBuild[] {
  const releases = join(directory, '..')
  let builds: readonly NextBuild[] = []
  let asOf = NaN
  return () => {
    // Complete releases are moved in, and moved out again: the folder's own time tells.
    const changed = statSync(releases, { throwIfNoEntry: false })?.mtimeMs ?? 0
    if (changed === asOf) return builds
    asOf = changed
    const ids = list(releases).filter((id) => id !== basename(directory))
    builds = [...ids]
      .sort()
      .reverse()
      .flatMap((id) => readNextBuild(join(releases, id)) ?? [])
    return builds
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
