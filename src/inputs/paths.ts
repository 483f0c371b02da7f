/** Parsers of paths. All are POSIX paths, of the server or inside the repository, and come back normalized. */

import { posix } from 'node:path'
import { Unusable } from './unusable.ts'

/** The path without `.` segments, doubled and trailing slashes; undefined when it is unsafe or climbs. */
function normalize(text: string): string | undefined {
  if (text === '' || /\p{Cc}/u.test(text) || text.split('/').includes('..')) return undefined
  const path = posix.normalize(text)
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

/**
 * The app's folder on the server: absolute, or relative to the user's home (`~/` is dropped, it says the same).
 * It must be a folder of its own: not the root, nor the home itself.
 */
export function appPath(text: string): string {
  // Nothing expands it: the app would live in a folder of that very name.
  if (/^\$(?:\w+|\{\w+\})(?:\/|$)/.test(text)) {
    throw new Unusable('a path without variables, such as ~/apps/web or apps/web (below the home)')
  }
  const path = normalize(text.replace(/^~\/+/, './'))
  if (path === undefined || path === '/' || path === '.' || path.startsWith('~')) {
    throw new Unusable('a folder such as /srv/web, ~/apps/web or apps/web (below the home), without ..')
  }
  return path
}

/** A folder on the server to look for programs in; a leading `~/` stays, as only the server knows the home. */
export function binPath(text: string): string {
  const path = normalize(text)
  if (path === undefined || !/^(?:\/|~\/)/.test(path)) {
    throw new Unusable('folders such as /opt/node/bin or ~/.local/bin, without ..')
  }
  return path
}

/** A folder inside the repository, relative to its root: `.` for that. `${{ github.workspace }}/…` is absolute. */
export function repositoryPath(text: string, workspace: string): string {
  const given = normalize(text)
  const path = given?.startsWith('/') ? posix.relative(workspace, given) || '.' : given
  if (path === undefined || path.split('/')[0] === '..' || path.startsWith('~')) {
    throw new Unusable(
      `a folder inside the repository such as apps/web, relative to its root or absolute below ${workspace}, without ..`,
    )
  }
  return path
}

/** Sharing one of these would run one release's code in another. */
const code = ['.gapless', '.next', 'node_modules']

/** A path in the release that lives in `shared`. */
export function sharedPath(text: string): string {
  const path = normalize(text)
  if (path === undefined || path === '.' || path.startsWith('/') || path.startsWith('~')) {
    throw new Unusable('paths inside the folder of the app such as public/uploads, one per line, without ..')
  }
  const segments = path.split('/')
  if (segments.includes('.gapless') || code.includes(segments.at(-1) ?? '')) {
    throw new Unusable(`a path of data, as ${code.join(', ')} belong to each release`)
  }
  return path
}

/** The first two of the paths of which one is, or lies in, the other: both cannot be links into `shared`. */
export function overlap(paths: readonly string[]): readonly [string, string] | undefined {
  for (const [index, outer] of paths.entries()) {
    const inner = paths.find((path, other) => other !== index && `${path}/`.startsWith(`${outer}/`))
    if (inner !== undefined) return [outer, inner]
  }
  return undefined
}
