/**
 * Which process is PM2's daemon: the one that has its socket. The pid file may name another: every daemon
 * writes it as it starts, and one that finds the socket taken keeps running, unused (5.4 to 7).
 */
import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { userInfo } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { failure } from '../../common/errors/server.ts'
import { startTimeOf } from '../../common/process-identity.ts'
import { commandOf, pids } from '../system/processes.ts'

/**
 * Returns the daemon's pid, or null where none runs. @throws Failure `pm2-foreign` when it belongs to another
 * user
 */
export async function daemonPid(home: string): Promise<number | null> {
  const path = join(home, 'rpc.sock')
  const before = new Set(endsOf(path).map(({ inode }) => inode))
  const connection = await reach(path)
  if (connection === null) return null
  try {
    const holders = holdersOf(endsOf(path).filter(({ listens }) => listens))
    // After a socket file was replaced, two sockets listen under one name. A new connection tells them apart.
    const holder = holders.length > 1 ? await accepting(path, before) : holders[0]
    const pid = holder ?? namedIn(home)
    if (pid !== null) assertOwn(pid, home)
    return pid
  } finally {
    connection.destroy()
  }
}

/** Returns the process that the pid file names, if it may be a daemon. */
export function namedIn(home: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(join(home, 'pm2.pid'), 'utf8'), 10)
    return Number.isInteger(pid) && startTimeOf(pid) !== null && mayBeDaemon(pid) ? pid : null
  } catch {
    return null
  }
}

/**
 * Whether a process was started as a daemon for this home, reachable or not. False for processes of other
 * users.
 */
export function isDaemonFor(pid: number, home: string): boolean {
  if (!/God Daemon|pm2[^ ]*\/lib\/Daemon\.js/.test(commandOf(pid))) return false
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`PM2_HOME=${home}`)
  } catch {
    return false
  }
}

/**
 * After a reboot the number in the file may belong to any process of any user. A daemon names itself `PM2
 * v7.0.4: God Daemon` (5 to 7), unless it has another title; then its executable tells.
 */
function mayBeDaemon(pid: number): boolean {
  if (/pm2|god daemon/i.test(commandOf(pid))) return true
  try {
    return /\/(?:node|bun)[^/]*$/.test(readlinkSync(`/proc/${pid}/exe`))
  } catch {
    // Of another user's process only the name is visible.
    return false
  }
}

function assertOwn(pid: number, home: string): void {
  const { uid, username } = userInfo()
  const owner = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? uid
  if (owner === uid) return
  throw failure('pm2-foreign', { home, owner, user: username, uid })
}

const NOBODY = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED', 'ENOTSOCK'])

/**
 * Connects to the socket, and returns null where nobody listens. Also returns a connection that was refused for
 * another reason.
 */
function reach(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(socket))
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(NOBODY.has(code ?? '') ? null : socket))
  })
}

interface End {
  readonly inode: string
  readonly listens: boolean
}

/** The flag `SO_ACCEPTCON` in /proc/net/unix. */
const LISTENS = 0x10000

/** Returns the server's ends of a Unix socket: those that listen, and those of its connections. */
function endsOf(path: string): readonly End[] {
  let text: string
  try {
    text = readFileSync('/proc/net/unix', 'utf8')
  } catch {
    return []
  }
  return text.split('\n').flatMap((line) => {
    const [, flags = '', inode = '', bound = ''] = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (.*)$/.exec(line) ?? []
    return isSame(bound, path) ? [{ inode, listens: (Number.parseInt(flags, 16) & LISTENS) !== 0 }] : []
  })
}

/** The kernel has the path that the daemon was started with: the home may be reached through a link. */
function isSame(bound: string, path: string): boolean {
  if (bound === path) return true
  if (!bound.startsWith('/') || basename(bound) !== basename(path)) return false
  try {
    return realpathSync(dirname(bound)) === realpathSync(dirname(path))
  } catch {
    return false
  }
}

/** Returns the processes that have these sockets open, as far as this user may see. */
function holdersOf(ends: readonly End[]): readonly number[] {
  const wanted = new Set(ends.map(({ inode }) => `socket:[${inode}]`))
  return wanted.size === 0 ? [] : pids().filter((pid) => filesOf(pid).some((file) => wanted.has(file)))
}

function filesOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${name}`)]
      } catch {
        return []
      }
    })
  } catch {
    return []
  }
}

/** How long a daemon may take to accept a connection, and how often to check, in ms. */
const ACCEPT = 1000
const LOOK = 20

/** Returns the process that has accepted a connection since. @param before inodes of the earlier ends */
async function accepting(path: string, before: ReadonlySet<string>): Promise<number | undefined> {
  for (let waited = 0; waited < ACCEPT; waited += LOOK) {
    const [pid] = holdersOf(endsOf(path).filter(({ inode, listens }) => !listens && !before.has(inode)))
    if (pid !== undefined) return pid
    await delay(LOOK)
  }
  return undefined
}
