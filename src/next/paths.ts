import { dirname, isAbsolute, relative, resolve, sep } from 'node:path'

/** Whether `path` is `parent` or below it. Compares names only: symbolic links are not followed. */
export function isInside(parent: string, path: string): boolean {
  const way = relative(parent, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}

/** Returns the folder and its parents, up to `end`, or to the root of the file system. */
export function ancestors(directory: string, end?: string): readonly string[] {
  const parent = dirname(directory)
  const last = parent === directory || (end !== undefined && resolve(end) === directory)
  return last ? [directory] : [directory, ...ancestors(parent, end)]
}
