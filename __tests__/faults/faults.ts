/** What can go wrong in the middle of a deploy, each brought about for real. */
import { execFileSync } from 'node:child_process'
import { fillTmpfs, remount } from '../support/test-mounts.ts'
import { DISK, type Site } from './site.ts'

export interface Fault {
  readonly name: string
  /** @param kill signals the runner's process */
  act(site: Site, kill: (signal: NodeJS.Signals) => void): void
  /** Takes it back, once the run has ended. */
  undo?(site: Site): void
  /** Inputs that the run needs for it. */
  inputs?(site: Site): Readonly<Record<string, string>>
  /** The runner's process ends with it, and post tells how it ended. */
  readonly endsRun?: true
  /** PM2's daemon binds the public port: so many requests may fail while the workers bind it themselves. */
  readonly mayLose?: number
  /** PM2's daemon may die of it (7.0.4 does when it logs to a full disk): then as many. */
  readonly mayKillDaemon?: true
  /** Mounts are root's. */
  readonly needsMount?: true
  /** The product cannot write down how it ends, so that it may not know: `down`, until the next run. */
  readonly blind?: true
  /** Takes as long as the keepalive, which is not for a core test. */
  readonly slow?: true
}

/** Requests inside the moment in which workers bind the port of a daemon that died. */
const MOMENT = 10

/** How many requests may fail. @param daemonDied whether PM2's daemon did not outlive the fault */
export function allowedBy({ mayLose, mayKillDaemon }: Fault, daemonDied: boolean): number {
  return mayLose ?? (mayKillDaemon && daemonDied ? MOMENT : 0)
}

function fillDisk(name: string, what: 'blocks' | 'inodes'): Fault {
  return {
    name,
    needsMount: true,
    mayKillDaemon: true,
    act: ({ server }) => fillTmpfs(server.home, what),
    undo: ({ server }) => remount(server.home, `${DISK},nr_inodes=1000000`),
  }
}

export const daemonDies: Fault = {
  name: 'the PM2 daemon is killed',
  mayLose: MOMENT,
  act: (site) => killIfThere(site.daemon()),
}

export const faults: readonly Fault[] = [
  { name: 'the runner is killed', endsRun: true, act: (_, kill) => kill('SIGKILL') },
  {
    name: 'the session’s agent is killed',
    act: ({ server }) => {
      for (const pid of server.agentSessions()) killIfThere(pid)
    },
  },
  {
    name: 'the activation is killed',
    act: (site) => {
      const pid = site.activation()
      if (pid !== undefined) killIfThere(pid)
    },
  },
  {
    name: 'runner, agent and activation are killed at once',
    endsRun: true,
    act: (site, kill) => {
      // Whoever watches dies first: it would take up what dies after it.
      const pids = [...site.server.agentSessions(), site.activation()]
      kill('SIGKILL')
      for (const pid of pids) if (pid !== undefined) killIfThere(pid)
    },
  },
  daemonDies,
  { name: 'the connection is cut', act: ({ server }) => server.sshd.dropConnections() },
  {
    name: 'the connection freezes',
    slow: true,
    inputs: ({ server, proxy }) => ({
      port: String(proxy.port),
      'known-hosts': server.sshd.hostPublicKeyLine.replace(`:${server.sshd.port} `, `:${proxy.port} `),
    }),
    act: ({ proxy }) => proxy.freeze(),
  },
  fillDisk('the disk fills up', 'blocks'),
  fillDisk('the inodes run out', 'inodes'),
  {
    name: 'the file system becomes read-only',
    needsMount: true,
    blind: true,
    slow: true,
    // A mount of its own on top: what is open for writing would keep the one below from it.
    act: ({ server }) => {
      execFileSync('mount', ['--bind', server.app, server.app])
      remount(server.app, 'bind,ro')
    },
    undo: ({ server }) => void execFileSync('umount', ['-l', server.app]),
  },
]

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
