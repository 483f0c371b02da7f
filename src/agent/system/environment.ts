/**
 * The environment of the processes that the agent starts: the user's own few variables, none of the SSH
 * session's. A PM2 daemon keeps the environment it was started with for ever, and so do its workers.
 */
import { homedir, userInfo } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { runtimeFolder } from '../../protocol/server-programs.ts'
import { isBrought } from './runtime.ts'

const DEFAULT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** @param node that the processes run on */
export function cleanEnvironment(node = process.execPath): NodeJS.ProcessEnv {
  const { username } = userInfo()
  const kept = ['LANG', 'TZ', 'SHELL', 'TMPDIR', 'XDG_RUNTIME_DIR', 'PM2_HOME', 'NODE_EXTRA_CA_CERTS']
  return {
    HOME: homedir(),
    USER: username,
    LOGNAME: username,
    PATH: searchPath(node).join(delimiter),
    ...Object.fromEntries(
      kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    ),
  }
}

/**
 * Returns the session's PATH with a Node first: PM2's own scripts need `node` on it. The versions that setup brings come
 * and go, and PM2 keeps the PATH: their link stays.
 */
export function searchPath(node = process.execPath): readonly string[] {
  const own = isBrought(node) ? join(homedir(), runtimeFolder) : dirname(node)
  const inherited = (process.env['PATH'] ?? '').split(delimiter).filter((part) => part.startsWith('/'))
  return [...new Set([own, ...inherited, ...DEFAULT_PATH])]
}

/** A folder that the user named, where `~` is the home. */
export function expandHome(folder: string): string {
  return folder.replace(/^~(?=\/|$)/, homedir())
}
