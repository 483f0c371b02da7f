/**
 * A real systemd of a test's own: process 1 of namespaces of its own, with logind, and with the accounts of the test. It
 * shares the network, /tmp and the rest of the file system with the machine. Needs root.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Account, accountFiles } from './sshd.ts'
import { until } from './until.ts'

const PROGRAM = '/lib/systemd/systemd'
const NEEDED = [PROGRAM, '/usr/share/pam-configs/systemd', '/usr/lib/polkit-1/polkitd']
/** Where not, the tests that need it are left out. */
export const maySystemd = process.getuid?.() === 0 && NEEDED.every((file) => existsSync(file))

export interface Systemd {
  /** What stands before a program and its arguments to run it there. */
  prefix(): readonly string[]
  /** @returns what it prints */
  run(...command: readonly string[]): string
  /** Ends every process in it at once, as a cut of the power does, and starts it again. */
  reboot(): Promise<void>
  stop(): Promise<void>
}

/** What belongs to the hardware, and what would empty the machine's folders. */
const MASKED =
  /udev|modules|sysctl|tmpfiles|hwdb|binfmt|random-seed|firstboot|sysusers|getty|machine-id|remount-fs|utmp|repart|pcrphase|\.mount$|\.automount$/

/** @param hidden programs that nobody finds there */
export async function startSystemd(
  accounts: readonly Account[],
  hidden: readonly string[] = [],
): Promise<Systemd> {
  const folder = mkdtempSync(join(tmpdir(), 'systemd-'))
  const groups = cgroupsOf(folder)
  mkdirSync(join(folder, 'units'))
  mkdirSync(join(folder, 'state'))
  for (const target of ['sysinit.target.wants', 'local-fs.target.wants', 'timers.target.wants'])
    for (const unit of unitsIn(`/lib/systemd/system/${target}`))
      if (MASKED.test(unit) || target.startsWith('timers'))
        symlinkSync('/dev/null', join(folder, 'units', unit))
  const binds: readonly (readonly string[])[] = [
    ...accountFiles(folder, accounts),
    ...hidden.map((file) => ['/dev/null', file]),
    [join(folder, 'units'), '/etc/systemd/system'],
    [join(folder, 'state'), '/var/lib/systemd'],
  ]
  const script = [
    'set -e',
    'mount --make-rprivate /',
    'mount -t tmpfs tmpfs /run',
    'mkdir -p /run/lock /run/sshd',
    // The machine's own journal stays as it is.
    'mkdir -p /var/log/journal && mount -t tmpfs tmpfs /var/log/journal',
    ...binds.map(([source, target]) => `mount --bind '${source}' '${target}'`),
    `exec ${PROGRAM} --system --unit=multi-user.target --log-target=console --show-status=false`,
  ].join('\n')
  let pid = 0
  let ended: Promise<unknown> = Promise.resolve()
  const prefix = () => ['nsenter', '-t', String(pid), '-m', '-p', '-u', '-i']
  const run = (...command: readonly string[]) => {
    const [program, ...args] = [...prefix(), ...command]
    return execFileSync(program!, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  }
  const boot = async () => {
    const enter = groups.map((group) => `echo $$ >'${join(group, 'cgroup.procs')}'`)
    const namespaces = ['--fork', '--kill-child', '--pid', '--mount', '--uts', '--ipc', '--mount-proc']
    const unshare = ['exec unshare', ...namespaces, 'sh -c "$1"'].join(' ')
    for (const group of groups) mkdirSync(group, { recursive: true })
    const child = spawn('sh', ['-c', [...enter, unshare].join('\n'), 'sh', script], {
      env: { container: 'test', PATH: process.env['PATH'] ?? '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
    ended = once(child, 'exit')
    pid = await until(`systemd runs: ${said}`, () => {
      if (child.exitCode !== null) throw new Error(`systemd did not start:\n${said}`)
      return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')) || null
    })
    await until('systemd has started everything', () => {
      try {
        return /running|degraded/.test(run('sh', '-c', 'systemctl is-system-running || true'))
      } catch {
        return false
      }
    })
  }
  const end = async () => {
    process.kill(pid, 'SIGKILL')
    await ended
  }
  await boot()
  return {
    prefix,
    run,
    async reboot() {
      await end()
      await boot()
    },
    async stop() {
      await end()
      for (const group of groups) removeTree(group)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function unitsIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

/** Of each hierarchy that systemd may use, one of the test's own. */
function cgroupsOf(folder: string): readonly string[] {
  return ['', 'systemd', 'unified']
    .map((name) => join('/sys/fs/cgroup', name))
    .filter((path) => existsSync(join(path, 'cgroup.procs')))
    .map((path) => join(path, `gapless-${folder.slice(-6)}`))
}

/** The kernel removes an empty group alone, and has its files go with it. */
function removeTree(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(group, entry.name))
  rmdirSync(group)
}
