/**
 * The environment of the processes that the agent starts: the user's own few variables, none of the SSH
 * session's. A PM2 daemon keeps the environment it was started with for ever, and so do its workers.
 */
import { homedir, userInfo } from 'node:os'
import { delimiter, dirname } from 'node:path'

const DEFAULT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

export function cleanEnvironment(): NodeJS.ProcessEnv {
  const { username } = userInfo()
  const kept = ['LANG', 'TZ', 'SHELL', 'TMPDIR', 'XDG_RUNTIME_DIR', 'PM2_HOME', 'NODE_EXTRA_CA_CERTS']
  return {
    HOME: homedir(),
    USER: username,
    LOGNAME: username,
    PATH: searchPath().join(delimiter),
    ...Object.fromEntries(
      kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
    ),
  }
}

/** Returns the session's PATH with this process's Node first: PM2's own scripts need `node` on it. */
export function searchPath(): readonly string[] {
  const inherited = (process.env['PATH'] ?? '').split(delimiter).filter((part) => part.startsWith('/'))
  return [...new Set([dirname(process.execPath), ...inherited, ...DEFAULT_PATH])]
}
