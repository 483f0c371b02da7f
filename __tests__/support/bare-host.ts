/**
 * A server as a provider hands it out: Debian's own sshd_config, no user but root. It is this machine with its
 * own /etc, /home, /root and /run, in a mount namespace. Needs root.
 */
import { execFile, execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from './until.ts'

export interface BareHost {
  /** Where its sshd listens, on port 22; its users know it as example.com. */
  readonly address: string
  /** Runs a script as a login of the user. @returns its standard output @throws when a command of it fails */
  run(user: string, script: string): Promise<string>
  /** Starts a program as root that stays until the host stops. */
  start(program: string, ...args: readonly string[]): void
  stop(): Promise<void>
}

export async function startBareHost(): Promise<BareHost> {
  const folder = mkdtempSync(join(tmpdir(), 'gapless-host-'))
  cpSync('/etc', join(folder, 'etc'), { recursive: true, verbatimSymlinks: true })
  for (const name of ['home', 'root', 'log']) mkdirSync(join(folder, name))
  // Every test process has loopback addresses of its own, so that port 22 is free.
  const address = `127.${100 + (process.pid % 100)}.${(process.pid >> 8) % 256}.${1 + (process.pid % 250)}`
  const holder = spawn(
    'unshare',
    [
      '-m',
      'sh',
      '-ec',
      `mount --bind '${folder}/etc' /etc
      mount --bind '${folder}/home' /home
      mount --bind '${folder}/root' /root
      mount -t tmpfs none /run
      mkdir -m 755 /run/sshd
      test ! -d /var/log/nginx || mount --bind '${folder}/log' /var/log/nginx
      cp -r /etc/skel/. /root
      rm -f /etc/ssh/ssh_host_*
      ssh-keygen -A >/dev/null
      echo '${address} example.com' >> /etc/hosts
      useradd --create-home --shell /bin/bash you
      touch /root/ready
      exec sleep infinity`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  await until('the host is there', () => {
    if (holder.exitCode !== null) throw new Error('the host did not start')
    return existsSync(join(folder, 'root', 'ready'))
  })
  const inside = ['-m', `--target=${holder.pid}`]
  const network = npmSettings()
  const run = (user: string, script: string) =>
    new Promise<string>((resolve, reject) => {
      const home = user === 'root' ? '/root' : `/home/${user}`
      const environment = ['env', '-i', `HOME=${home}`, `USER=${user}`, ...network]
      const login = ['runuser', '-u', user, '--', ...environment, 'bash', '-lc', `cd\nset -eu\n${script}`]
      execFile('nsenter', [...inside, ...login], (error, stdout, stderr) =>
        error ? reject(new Error(`${script}\n${stdout}${stderr}`)) : resolve(stdout),
      )
    })
  const start = (program: string, ...args: readonly string[]) => {
    spawn('nsenter', [...inside, program, ...args], { stdio: 'ignore' })
  }
  // You may log in as root before you begin.
  await run(
    'you',
    'ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519 && ssh-keygen -F x >/dev/null || true',
  )
  await run('root', 'mkdir -m 700 .ssh && cat /home/you/.ssh/id_ed25519.pub > .ssh/authorized_keys')
  start('/usr/sbin/sshd', '-D', '-o', `ListenAddress=${address}`, '-o', 'PidFile=none')
  await until('sshd answers', () =>
    run('you', 'ssh-keyscan -t ed25519 example.com > .ssh/known_hosts && test -s .ssh/known_hosts').then(
      () => true,
      () => false,
    ),
  )
  return {
    address,
    run,
    start,
    async stop() {
      const namespace = readlinkSync(`/proc/${holder.pid}/ns/mnt`)
      await until('all have ended', () => {
        const left = processesOf(namespace)
        for (const pid of left) process.kill(pid, 'SIGKILL')
        return left.length === 0
      })
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function processesOf(namespace: string): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return Number.isInteger(pid) && readlinkSync(`/proc/${pid}/ns/mnt`) === namespace
      } catch {
        return false
      }
    })
}

/** How this machine's npm reaches its registry. */
function npmSettings(): readonly string[] {
  const names = ['registry', 'cafile', 'proxy', 'https-proxy']
  const values = names.map((name) => [
    name,
    execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim(),
  ])
  return values
    .filter(([, value]) => value !== 'null' && value !== '')
    .map(([name, value]) => `npm_config_${name?.replaceAll('-', '_')}=${value}`)
}
