/** Finds the installed PM2: sessions over SSH often lack the PATH that the user's own shell has. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { searchPath } from './environment.ts'

export interface InstalledPm2 {
  readonly version: string
  /** The package's folder. */
  readonly path: string
}

export interface Pm2Search {
  readonly found: InstalledPm2 | null
  /** Every folder that was looked into, for the error message. */
  readonly searched: readonly string[]
}

/** @param binPath folders that the user named, searched first */
export function findPm2(binPath: readonly string[]): Pm2Search {
  const home = homedir()
  const folders = [
    ...binPath.map((folder) => folder.replace(/^~(?=\/|$)/, home)),
    ...searchPath(),
    ...usualFolders(home),
  ]
  const searched = [...new Set(folders)]
  for (const folder of searched) {
    const found = pm2In(folder)
    if (found !== null) return { found, searched }
  }
  return { found: null, searched }
}

/** Where version managers and package managers put global programs. */
function usualFolders(home: string): readonly string[] {
  const versions = (folder: string, bin: string) =>
    list(join(home, folder)).map((version) => join(home, folder, version, bin))
  return [
    ...versions('.nvm/versions/node', 'bin'),
    ...versions('.local/share/fnm/node-versions', 'installation/bin'),
    ...versions('.fnm/node-versions', 'installation/bin'),
    ...versions('.asdf/installs/nodejs', 'bin'),
    ...versions('.local/share/mise/installs/node', 'bin'),
    join(home, '.volta/tools/image/packages/pm2/bin'),
    join(home, 'n/bin'),
    join(home, '.npm-global/bin'),
    join(home, '.local/bin'),
    join(home, '.local/share/pnpm'),
    join(home, '.yarn/bin'),
    join(home, '.bun/bin'),
    '/opt/homebrew/bin',
    '/home/linuxbrew/.linuxbrew/bin',
    '/snap/bin',
    '/opt/node/bin',
  ]
}

/** PM2's package behind `<folder>/pm2`, or beside it where the command is a script of its own. */
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
      // Not PM2's package: look further.
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
