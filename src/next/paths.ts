import { isAbsolute, relative, sep } from 'node:path'

/** Whether `path` is `parent` or lies below it. Compares names only: symbolic links are not followed. */
export function isInside(parent: string, path: string): boolean {
  const way = relative(parent, path)
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way)
}
