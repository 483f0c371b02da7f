/** The PATH that the user's own login shell has: it knows where Node and PM2 are, however they were installed. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { delimiter } from 'node:path'
import { LOGIN_PATH, LOGIN_SHELL_TIMEOUT } from '../../protocol/server-programs.ts'

/** The shell line has asked already where it found no Node without. Its folders, or none. */
export function loginPath(): readonly string[] {
  const path = process.env[LOGIN_PATH] ?? askLoginShell()
  return path.split(delimiter).filter((folder) => folder.startsWith('/'))
}

function askLoginShell(): string {
  const shell = process.env['SHELL'] ?? userInfo().shell
  if (shell === null || shell === '') return ''
  // The files that it reads may print anything.
  const mark = randomUUID()
  const { stdout } = spawnSync(shell, ['-lic', `echo; echo ${mark}; exec printenv PATH`], {
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
    timeout: LOGIN_SHELL_TIMEOUT * 1000,
    // An interactive bash ignores SIGTERM.
    killSignal: 'SIGKILL',
  })
  const lines = (stdout ?? '').split('\n')
  const at = lines.lastIndexOf(mark)
  return at < 0 ? '' : (lines[at + 1] ?? '')
}
