/** Whether a web server that runs as a user of its own can reach a Unix socket. */
import { readFileSync, statSync, type Stats } from 'node:fs'
import { dirname } from 'node:path'
import type { Result } from '../../protocol/messages.ts'
import { pids } from './processes.ts'

type Obstacle = NonNullable<Result<'preparePreview'>['unreachable']>

/** The users of nginx and Caddy in the packages of Debian, Red Hat, Alpine, Arch and of their own. */
const PROXIES: ReadonlySet<string> = new Set(['www-data', 'nginx', 'caddy', 'http'])

const SETGID = 0o2000

interface Account {
  readonly name: string
  readonly uid: number
  readonly gids: ReadonlySet<number>
}

/**
 * Returns null where one of the machine's proxies can connect, or none runs as a user of its own. Sees no ACLs.
 * @param running users that have a process
 */
export function proxyObstacle(
  socket: string,
  read = (file: string) => readFileSync(file, 'utf8'),
  running = usersOfProcesses(),
): Obstacle | null {
  const proxies = accounts(read).filter(({ uid }) => running.has(uid))
  const obstacles = proxies.map((account) => obstacleFor(account, socket))
  return obstacles.includes(null) ? null : (obstacles[0] ?? null)
}

/** By number. */
function usersOfProcesses(): ReadonlySet<number> {
  return new Set(pids().flatMap((pid) => statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? []))
}

function accounts(read: (file: string) => string): readonly Account[] {
  try {
    const fields = (file: string) =>
      read(file)
        .split('\n')
        .map((line) => line.split(':'))
    const groups = fields('/etc/group')
    return fields('/etc/passwd').flatMap(([name = '', , uid, gid]) => {
      if (!PROXIES.has(name)) return []
      const more = groups.flatMap(([, , id, members = '']) =>
        members.split(',').includes(name) ? [Number(id)] : [],
      )
      return [{ name, uid: Number(uid), gids: new Set([Number(gid), ...more]) }]
    })
  } catch {
    return []
  }
}

function obstacleFor(account: Account, socket: string): Obstacle | null {
  const { name: user, gids } = account
  const folder = dirname(socket)
  const open = `sudo chgrp ${user} '${folder}' && sudo chmod 2750 '${folder}'`
  for (const path of ancestorsOf(folder)) {
    const stat = statSync(path, { throwIfNoEntry: false })
    if (stat === undefined || mayEnter(account, stat)) continue
    return { user, path, commands: path === folder ? open : `sudo chmod o+x '${path}'` }
  }
  // A socket gets the group of its folder where that says so, else that of the process.
  const stat = statSync(folder, { throwIfNoEntry: false })
  const gid = stat !== undefined && (stat.mode & SETGID) !== 0 ? stat.gid : (process.getgid?.() ?? -1)
  return gids.has(gid) || account.uid === process.getuid?.() ? null : { user, path: socket, commands: open }
}

function ancestorsOf(folder: string): readonly string[] {
  return folder === dirname(folder) ? [folder] : [...ancestorsOf(dirname(folder)), folder]
}

function mayEnter({ uid, gids }: Account, stat: Stats): boolean {
  const bit = stat.uid === uid ? 0o100 : gids.has(stat.gid) ? 0o010 : 0o001
  return (stat.mode & bit) !== 0
}
