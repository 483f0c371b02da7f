/** The PATH of the user's login shell: it has Node and PM2, however they were installed. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { delimiter } from 'node:path'
import { LOGIN_PATH, LOGIN_SHELL_TIMEOUT } from '../../protocol/server-programs.ts'

/** Returns its folders, or none. The bootstrap has asked already where it found no Node otherwise. */
export function loginPath(): readonly string[] {
  const path = process.env[LOGIN_PATH] ?? askLoginShell()
  return path.split(delimiter).filter((folder) => folder.startsWith('/'))
}

function askLoginShell(): string {
  const shell = process.env['SHELL'] ?? userInfo().shell
  if (shell === null || shell === '') return ''
  // Startup files may print anything.
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
