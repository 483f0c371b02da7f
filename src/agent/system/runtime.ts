/** What `setup` brought: Node and PM2 below the user's home, one folder for each version, and a link to the newest. */
import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { lstat, readdir, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, sep } from 'node:path'
import { RUNTIME, runtimeFolder } from '../../protocol/server-programs.ts'
import { commandOf, pids, executableOf } from './processes.ts'

/** Something younger than this may be about to get its link, in ms. */
const JUST_BROUGHT = 60_000
/** Limit for a Node that says its version, in ms. */
const PATIENCE = 10_000

/** The Node that setup brought last; null: it brought none. */
export function broughtNode(home = homedir()): string | null {
  return realPath(join(home, runtimeFolder, 'node'))
}

/** Whether setup brought this program, now or earlier. */
export function isBrought(program: string, home = homedir()): boolean {
  return isBelow(program, realPath(join(home, RUNTIME)))
}

export interface NodeVersion {
  readonly version: string
  /** `process.versions.modules`. */
  readonly abi: string
}

/** Null where it does not run. */
export function versionOfNode(node: string): NodeVersion | null {
  const args = ['-p', 'process.versions.node + " " + process.versions.modules']
  const { stdout, status } = spawnSync(node, args, {
    encoding: 'utf8',
    timeout: PATIENCE,
    env: {},
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const [version = '', abi = ''] = (stdout ?? '').trim().split(' ')
  return status === 0 && abi !== '' ? { version, abi } : null
}

/**
 * Removes the versions that setup has replaced, once nothing runs from them. @returns what was removed, below the home
 * @param used files that are needed, whatever the processes say
 */
export async function removeOldRuntimes(
  used: readonly string[],
  home = homedir(),
  youngMs = JUST_BROUGHT,
): Promise<readonly string[]> {
  const removed: string[] = []
  const running = pids().flatMap((pid) => [executableOf(pid) ?? '', commandOf(pid)])
  for (const name of ['node', 'pm2']) {
    const folder = join(home, RUNTIME, name)
    const newest = realPath(join(home, runtimeFolder, name))
    // Without a newest one nothing tells which are old.
    if (newest === null) continue
    for (const version of await readdir(folder).catch(() => [])) {
      const path = join(folder, version)
      const real = realPath(path)
      const isUsed = [newest, ...used].some((file) => isBelow(file, real) || isBelow(file, path))
      if (isUsed || running.some((text) => [real ?? path, path].some((part) => text.includes(part + sep))))
        continue
      // The files in it have the times of their package.
      const made = await lstat(path).then(({ ctimeMs }) => ctimeMs)
      if (Date.now() - made < youngMs) continue
      await rm(path, { recursive: true, force: true })
      removed.push(`${RUNTIME}/${name}/${version}`)
    }
  }
  return removed
}

function isBelow(file: string, folder: string | null): boolean {
  return folder !== null && file.startsWith(folder + sep)
}

function realPath(path: string): string | null {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}
