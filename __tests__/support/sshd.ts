import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Namespace } from './namespace.ts'
import { freePort } from './port.ts'

export interface SshdOptions {
  /** Variables of every session, stronger than what sshd sets itself. The working directory stays the user's home. */
  readonly env?: Readonly<Record<string, string>>
  readonly extraConfig?: string
  /** Files that the sessions must not find, in a mount namespace of sshd's own. Needs root. */
  readonly hidden?: readonly string[]
  /** Files that the sessions find with other text, likewise. */
  readonly replaced?: Readonly<Record<string, string>>
  /** Accounts beside the current user's, known to this sshd alone. Needs root. */
  readonly accounts?: readonly Account[]
  /** What the sessions find in another place as well: a file or a folder, and what it covers. Needs root. */
  readonly mounts?: readonly Mount[]
  /** Types of the host keys. */
  readonly hostKeys?: readonly KeyType[]
  /** Where it listens, on port 22, instead of 127.0.0.1. */
  readonly network?: Namespace | undefined
  /** What stands before the program to run it in other namespaces, which have the accounts and hide the files. */
  readonly inside?: () => readonly string[]
  /** Public keys that log in besides its own client's. */
  readonly authorized?: readonly string[]
}

export type KeyType = 'ed25519' | 'ecdsa' | 'rsa'

export type Mount = readonly [source: string, target: string]

export interface Account {
  readonly name: string
  readonly shell: string
  readonly home: string
  /** Of the user and of its group; root's unless told otherwise. */
  readonly uid?: number
  /** Without one only keys log in. */
  readonly password?: string
}

/** Whether this machine lets a test have accounts and hide files. */
export const mayUnshare = process.getuid?.() === 0

export interface Sshd {
  readonly pid: number
  readonly port: number
  readonly host: string
  readonly username: string
  /** A known_hosts line. */
  readonly hostPublicKeyLine: string
  readonly fingerprint: string
  /** Of each host key. */
  readonly fingerprints: Readonly<Record<KeyType, string>>
  /** Where sshd finds its files. */
  readonly folder: string
  /** A private key that logs in. */
  readonly clientKey: string
  readonly clientPublicKey: string
  /** A private key that does not. */
  readonly otherKey: string
  logs(): string
  /** Cuts every connection without a goodbye, as a crash would; the commands of the sessions live on. */
  dropConnections(): void
  /** Stops sshd and its sessions without ending them: the kernel still answers for them. */
  freeze(): void
  /** After it has ended with everything else on the machine. */
  startAgain(): Promise<void>
  stop(): Promise<void>
}

/** A real sshd of its own for a test, as the current user, on a free port of 127.0.0.1 unless told otherwise. */
export async function startSshd({
  env = {},
  extraConfig = '',
  hidden = [],
  replaced = {},
  accounts = [],
  mounts = [],
  hostKeys = ['ed25519'],
  network,
  inside,
  authorized = [],
}: SshdOptions = {}): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'sshd-'))
  const keys = hostKeys.map((type) => [type, makeKey(folder, `host-${type}`, type)] as const)
  const hostKey = keys[0]![1]
  const client = makeKey(folder, 'client')
  const other = makeKey(folder, 'other')
  writeFileSync(join(folder, 'authorized_keys'), `${[client.publicKey, ...authorized].join('\n')}\n`)
  const host = network?.address ?? '127.0.0.1'
  const port = network === undefined ? await freePort() : 22
  writeFileSync(join(folder, 'sshd_config'), configuration(folder, host, port, env, hostKeys, extraConfig))
  // sshd reads the keys as the user who logs in.
  if (accounts.length > 0) chmodSync(folder, 0o711)
  // As root sshd wants its privilege separation folder, which a service manager makes otherwise.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })

  let logs = ''
  const around = inside === undefined ? mounted(folder, hidden, replaced, accounts, mounts) : null
  const begin = async () => {
    const [program, ...args] = [
      ...(network?.prefix ?? []),
      ...(around ?? inside?.() ?? []),
      '/usr/sbin/sshd',
      '-D',
      '-e',
      '-f',
      join(folder, 'sshd_config'),
    ]
    sshd = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    sshd.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      logs += chunk
    })
    ended = once(sshd, 'exit')
    while (!(await accepts(host, port))) {
      if (sshd.exitCode !== null) throw new Error(`sshd did not start:\n${logs}`)
      await delay(10)
    }
  }
  let sshd: ChildProcess
  let ended: Promise<unknown>
  const dropConnections = () => children(sshd.pid).forEach((pid) => signal(pid, 'SIGKILL'))
  const freeze = () => [...children(sshd.pid), sshd.pid ?? 0].forEach((pid) => signal(pid, 'SIGSTOP'))
  const stop = async () => {
    dropConnections()
    sshd.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }

  await begin()
  return {
    pid: sshd!.pid!,
    port,
    host,
    username: userInfo().username,
    hostPublicKeyLine: `${port === 22 ? host : `[${host}]:${port}`} ${hostKey.publicKey.split(' ').slice(0, 2).join(' ')}`,
    fingerprint: hostKey.fingerprint,
    fingerprints: Object.fromEntries(keys.map(([type, key]) => [type, key.fingerprint])) as Record<
      KeyType,
      string
    >,
    folder,
    clientKey: client.privateKey,
    clientPublicKey: client.publicKey,
    otherKey: other.privateKey,
    logs: () => logs,
    dropConnections,
    freeze,
    startAgain: begin,
    stop,
  }
}

/** What runs a program where some files are as good as not there, and others are the test's own. */
function mounted(
  folder: string,
  hidden: readonly string[],
  replaced: Readonly<Record<string, string>>,
  accounts: readonly Account[],
  mounts: readonly Mount[],
): readonly string[] {
  const own = accounts.length === 0 ? [] : accountFiles(folder, accounts)
  const others = Object.entries(replaced).map(([file, text], index) => {
    const source = join(folder, `replaced-${index}`)
    writeFileSync(source, text)
    return [source, file]
  })
  const binds = [...hidden.map((file) => ['/dev/null', file]), ...others, ...own, ...mounts].map(
    ([source, file]) => `mount --bind '${source}' '${file}'`,
  )
  return binds.length === 0 ? [] : ['unshare', '-m', 'sh', '-c', `${binds.join(' && ')} && exec "$@"`, 'sh']
}

/** @returns of each file of accounts one with these as well, and its place */
export function accountFiles(folder: string, accounts: readonly Account[]): readonly (readonly string[])[] {
  const hash = (password: string) =>
    execFileSync('openssl', ['passwd', '-6', password], { encoding: 'utf8' }).trim()
  const lines = {
    passwd: accounts.map(({ name, home, shell, uid = 0 }) => `${name}:x:${uid}:${uid}::${home}:${shell}`),
    shadow: accounts.map(
      ({ name, password }) => `${name}:${password === undefined ? '*' : hash(password)}:20000:0:99999:7:::`,
    ),
  }
  return Object.entries(lines).map(([name, added]) => {
    const file = join(folder, name)
    writeFileSync(file, `${readFileSync(`/etc/${name}`, 'utf8')}${added.join('\n')}\n`, { mode: 0o644 })
    return [file, `/etc/${name}`]
  })
}

function makeKey(folder: string, name: string, type: KeyType = 'ed25519') {
  const file = join(folder, name)
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', file])
  const [, fingerprint = ''] = execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' }).split(
    ' ',
  )
  return {
    privateKey: readFileSync(file, 'utf8'),
    publicKey: readFileSync(`${file}.pub`, 'utf8').trim(),
    fingerprint,
  }
}

function configuration(
  folder: string,
  host: string,
  port: number,
  env: Readonly<Record<string, string>>,
  hostKeys: readonly KeyType[],
  extra: string,
): string {
  // Only the first SetEnv line counts, so that all variables stand on one.
  const variables = Object.entries(env).map(([name, value]) => `"${name}=${value}"`)
  return [
    // First, because the first value of a setting wins.
    extra,
    `Port ${port}`,
    `ListenAddress ${host}`,
    ...hostKeys.map((type) => `HostKey ${join(folder, `host-${type}`)}`),
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'StrictModes no',
    'PidFile none',
    'LogLevel VERBOSE',
    'Subsystem sftp internal-sftp',
    ...(variables.length === 0 ? [] : [`SetEnv ${variables.join(' ')}`]),
    // From 9.8 on an address that fails to log in is locked out for a while, and all tests share one.
    ...(sshVersion() >= 9.8 ? ['PerSourcePenalties no'] : []),
    '',
  ].join('\n')
}

function sshVersion(): number {
  const sshd = execFileSync('sh', ['-c', 'ssh -V 2>&1'], { encoding: 'utf8' })
  return Number(/OpenSSH_(\d+\.\d+)/.exec(sshd)?.[1] ?? 0)
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** sshd runs every connection in a process (before 9.8) or two of their own, which outlive their parent. */
function children(parent: number | undefined): readonly number[] {
  const processes = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .map((match) => ({ pid: Number(match?.[1]), parent: Number(match?.[2]), args: match?.[3] ?? '' }))
    .filter(({ args }) => /^(\/\S*\/)?sshd/.test(args))
  const below = (pid: number | undefined): number[] =>
    processes.flatMap((one) => (one.parent === pid ? [...below(one.pid), one.pid] : []))
  return below(parent)
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // It ended by itself in the meantime.
  }
}
