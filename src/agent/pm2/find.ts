/** Finds the installed PM2: SSH sessions often lack the PATH of the user's own shell. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  homeFolders,
  pm2Folders,
  runtimeFolder,
  systemFolders,
  systemVersionFolders,
  versionFolders,
} from '../../protocol/server-programs.ts'
import { expandHome, searchPath } from '../system/environment.ts'
import { loginPath } from '../system/login-path.ts'

export interface InstalledPm2 {
  readonly version: string
  /** The package's folder. */
  readonly path: string
}

export interface Pm2Search {
  readonly found: InstalledPm2 | null
  /** Every folder that was searched, for the error message. */
  readonly searched: readonly string[]
}

/** @param binPath folders that the user named, searched first */
export function findPm2(binPath: readonly string[]): Pm2Search {
  const home = homedir()
  const runtime = join(home, runtimeFolder)
  const named = binPath.map(expandHome)
  const folders = [...named, runtime, ...searchPath()]
  const searched = new Set<string>()
  // The login shell is slow: it is asked only where the session's own PATH has no PM2.
  for (const more of [() => folders, loginPath, () => usualFolders(home)]) {
    for (const folder of more()) {
      if (searched.has(folder)) continue
      searched.add(folder)
      const found = pm2In(folder)
      if (found !== null) return { found, searched: [...searched] }
    }
  }
  return { found: null, searched: [...searched] }
}

/** Where version managers and package managers install global programs. */
function usualFolders(home: string): readonly string[] {
  const inHome = (folder: string) => join(home, folder)
  return [
    ...npmPrefix(home),
    ...homeFolders.map(inHome),
    ...[...versionFolders, ...pm2Folders].map(inHome).flatMap(versions),
    ...systemVersionFolders.flatMap(versions),
    ...systemFolders,
  ]
}

/**
 * Returns the folders that match a pattern with one `*`, newest first; the pattern itself where it has none.
 */
function versions(pattern: string): readonly string[] {
  const star = pattern.split('/').findIndex((part) => part.includes('*'))
  if (star < 0) return [pattern]
  const parts = pattern.split('/')
  const folder = parts.slice(0, star).join('/')
  const [prefix = ''] = (parts[star] ?? '').split('*')
  const found = list(folder).filter((name) => name.startsWith(prefix))
  return found.length === 0 ? [pattern] : found.map((name) => join(folder, name, ...parts.slice(star + 1)))
}

/** Returns npm's own setting for global programs. */
function npmPrefix(home: string): readonly string[] {
  try {
    const [, prefix] =
      /^[ \t]*prefix[ \t]*=[ \t]*["']?([^"'\r\n]+)/m.exec(readFileSync(join(home, '.npmrc'), 'utf8')) ?? []
    if (prefix === undefined) return []
    return [join(prefix.trim().replace(/^(?:~|\$\{HOME\}|\$HOME)(?=\/)/, home), 'bin')]
  } catch {
    return []
  }
}

/** Returns PM2's package behind `<folder>/pm2`, or beside it where the command is a script. */
function pm2In(folder: string): InstalledPm2 | null {
  const command = join(folder, 'pm2')
  if (!existsSync(command)) return null
  const roots = [
    dirname(dirname(realpath(command))),
    join(folder, '../lib/node_modules/pm2'),
    join(folder, 'node_modules/pm2'),
    ...list(join(folder, 'global')).map((version) => join(folder, 'global', version, 'node_modules/pm2')),
  ]
  for (const root of roots) {
    try {
      const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
        string,
        unknown
      >
      if (name === 'pm2' && typeof version === 'string') return { version, path: realpath(root) }
    } catch {
      // Not PM2's package: keep searching.
    }
  }
  return null
}

function realpath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort().reverse()
  } catch {
    return []
  }
}
