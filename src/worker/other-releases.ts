/**
 * Requests of other releases' pages that the app behind this worker cannot answer, or not rightly. While one release
 * replaces another, a page of one asks the workers of the other.
 *
 * Next.js lists its static files when it boots (14.2, 15.5, 16.4). A file's name says which content is meant only where
 * all releases agree: `_buildManifest.js` of a fixed build id has another content in each.
 */
import { readdirSync, statSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { basename, join, posix } from 'node:path'
import { dataBuild, deploymentOf, imageSource, NEXT, staticName } from './addresses.ts'
import { configuredHeaders } from './configured-headers.ts'
import { type NextBuild, readNextBuild } from './next-build.ts'
import type { Release } from './release.ts'
import { sameContent } from './same-content.ts'
import { sendFile, SHORT_LIFE } from './send-file.ts'

export interface OtherReleases {
  /** Answers from here on what the app cannot. Everything else is left to the app. */
  attach(app: Server): void
}

/** Call before the app boots: what is there now is what it will list. */
export function otherReleases({ directory }: Release): OtherReleases {
  const own = readNextBuild(directory)
  const listed = new Set(own === null ? [] : filesIn(own.staticFolder))
  const others = buildsBeside(directory)

  /** The build whose file answers in the app's place, if there is one. */
  const inPlaceOfApp = (url: string): NextBuild | undefined => {
    const name = staticName(url)
    if (own === null || name === undefined) return undefined
    const ours = listed.has(name)
    if (ours && others.lately().agreed.has(name)) return undefined
    const { builds, agreed } = others.now()
    const holders = builds.filter(({ staticFolder }) => isFile(join(staticFolder, name)))
    if (ours && holders.every((other) => sameFile(name, own, other))) {
      agreed.add(name)
      return undefined
    }
    if (ours) holders.unshift(own)
    const deployment = deploymentOf(url)
    const [meant, ...more] = holders.filter(
      ({ deploymentId }) => deployment !== null && deploymentId === deployment,
    )
    // The deployment id makes the address the app's alone.
    if (meant === own && more.length === 0) return undefined
    return meant ?? holders[0]
  }

  const answer = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    const url = request.url ?? ''
    if (!url.includes(NEXT)) return false
    const dataOf = dataBuild(url)
    if (dataOf !== undefined && dataOf !== own?.buildId) {
      if (!others.now().builds.some(({ buildId }) => buildId === dataOf)) return false
      askForPage(response)
      return true
    }
    const image = imageSource(url)
    const build = inPlaceOfApp(image ?? url)
    if (build === undefined) return false
    if (build === own) {
      keepFromCaches(response)
      return false
    }
    // An image is sent as it is: the app's optimizer would not find it.
    const file = join(build.staticFolder, staticName(image ?? url) ?? '')
    sendFile(file, configuredHeaders(build.headers, request), request, response)
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

interface Others {
  /** Newest first. */
  readonly builds: readonly NextBuild[]
  /** Names under which they have no other content than this release. */
  readonly agreed: Set<string>
}

interface BuildsBeside {
  now(): Others
  /** As they were within LATELY. */
  lately(): Others
}

/** A release is on the server for far longer before a browser can request a file of it, in ms. */
const LATELY = 100

/** The builds of all other releases on the server. */
function buildsBeside(directory: string): BuildsBeside {
  const releases = join(directory, '..')
  let others: Others = { builds: [], agreed: new Set() }
  let [asOf, looked] = [NaN, -Infinity]
  const now = () => {
    looked = performance.now()
    // Complete releases are moved in, and moved out again: the folder's own time tells.
    const changed = statSync(releases, { throwIfNoEntry: false })?.mtimeMs ?? 0
    if (changed === asOf) return others
    asOf = changed
    const ids = list(releases).filter((id) => id !== basename(directory))
    const newestFirst = [...ids].sort().reverse()
    const builds = newestFirst.flatMap((id) => readNextBuild(join(releases, id)) ?? [])
    others = { builds, agreed: new Set() }
    return others
  }
  return { now, lately: () => (performance.now() - looked < LATELY ? others : now()) }
}

/**
 * Makes an old page load the next one from the server, as Next.js does after every answer that is no success (14.2,
 * 15.5, 16.4). Browsers show 404, which the app would answer, in the console as an error.
 */
function askForPage(response: ServerResponse): void {
  response.writeHead(300, { 'Cache-Control': 'no-store', 'Content-Length': 0 }).end()
}

/** Lets no cache reuse the app's answer without asking again, whatever the app says about it. */
function keepFromCaches(response: ServerResponse): void {
  const setHeader = response.setHeader
  response.setHeader = function (name, value) {
    return setHeader.call(this, name, name.toLowerCase() === 'cache-control' ? SHORT_LIFE : value)
  }
}

/** A file that is gone, or cannot be read, has no other content. */
function sameFile(name: string, a: NextBuild, b: NextBuild): boolean {
  try {
    return sameContent(join(a.staticFolder, name), join(b.staticFolder, name))
  } catch {
    return true
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
