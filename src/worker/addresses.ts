/** What the address of a request to a Next.js app asks for (14.2, 15.5, 16.4). */
import { posix } from 'node:path'

/** In every address that is looked at here. */
export const NEXT = '/_next/'
const STATIC = `${NEXT}static/`

/**
 * The static file's path below the static folder, whatever base path or asset prefix comes before. Undefined for
 * every other address, and for one that no build makes.
 */
export function staticName(url: string): string | undefined {
  const [path] = split(url)
  const at = path.indexOf(STATIC)
  if (at < 0) return undefined
  try {
    const name = decodeURIComponent(path.slice(at + STATIC.length))
    const safe = name !== '' && !name.includes('\0') && posix.normalize(`/${name}`) === `/${name}`
    return safe ? name : undefined
  } catch {
    return undefined
  }
}

/** The deployment id of the page that asks for a static file, if it has one. */
export function deploymentOf(url: string): string | null {
  return new URLSearchParams(split(url)[1]).get('dpl')
}

/** The address of the image that the optimizer is asked for, if it is one of this site. */
export function imageSource(url: string): string | undefined {
  const [path, query] = split(url)
  const source = path.endsWith('/_next/image') ? new URLSearchParams(query).get('url') : null
  return source?.startsWith('/') ? source : undefined
}

/** The build id of the page that asks for the data of another page, in the Pages Router. */
export function dataBuild(url: string): string | undefined {
  const [path] = split(url)
  return path.endsWith('.json') ? /\/_next\/data\/([^/]+)\//.exec(path)?.[1] : undefined
}

function split(url: string): readonly [path: string, query: string] {
  const [path = '', query = ''] = url.split('?')
  return [path, query]
}
