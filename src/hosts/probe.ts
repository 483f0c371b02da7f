/** What a plain shell can tell about a server, where the agent may not run. It changes nothing there. */
import { OLDEST_NODE } from '../protocol/server-programs.ts'
import type { Remote } from '../agent-client/agent-session.ts'
import { shellWord, tryEach } from '../agent-client/bootstrap.ts'
import { runScript } from '../agent-client/script.ts'

export interface Program {
  readonly path: string
  /** Empty: it does not run. */
  readonly version: string
}

export interface Probe {
  readonly user: string
  readonly isRoot: boolean
  readonly home: string
  readonly homeWritable: boolean
  readonly shell: string
  readonly system: string
  /** As `uname -m` says. */
  readonly machine: string
  readonly libc: 'glibc' | 'musl' | 'unknown'
  readonly libcVersion: string
  /** Of x86: the flags that tell the levels apart. */
  readonly cpuFlags: readonly string[]
  /** Every Node that was found, in the order of preference. */
  readonly nodes: readonly Program[]
  /** The link that setup made; empty: it brought none. */
  readonly broughtNode: string
  /** Commands named pm2. */
  readonly pm2: readonly string[]
  /** Options of the home's file system. */
  readonly homeMount: readonly string[]
  /** Bytes; null: unknown. */
  readonly freeBytes: number | null
  readonly freeInodes: number | null
  readonly freeMemory: number | null
  /** `unlimited` or a number. */
  readonly openFiles: string
  readonly processes: string
  /** In ms since 1970. */
  readonly clock: number
  /** What starts PM2 at boot; empty: nothing was found. */
  readonly boot: string
  readonly hasUserSystemd: boolean
  readonly lingers: boolean
  readonly hasCrontab: boolean
  /** Whether something listens on the app's port. */
  readonly portTaken: boolean
  /** `keepalive_timeout` of the upstreams in nginx's files, where they can be read. */
  readonly nginxKeepAlive: readonly string[]
}

/** The first of the Nodes that the agent runs on, as the bootstrap chooses. */
export function usableNode({ nodes }: Pick<Probe, 'nodes'>): Program | null {
  return nodes.find(({ version }) => Number.parseInt(version, 10) >= OLDEST_NODE) ?? null
}

export interface ProbeOptions {
  readonly binPath: readonly string[]
  /** The app's folder, absolute or relative to the home. */
  readonly path: string
  readonly port: number
}

/** @throws Failure `connection-lost`, `exec-refused` or `no-shell` */
export async function probe(remote: Remote, options: ProbeOptions, timeoutMs: number): Promise<Probe> {
  const { said, errors } = await runScript(remote, scriptOf(options), { timeoutMs })
  return parse(said, errors)
}

function scriptOf({ binPath, path, port }: ProbeOptions): string {
  const base = path.startsWith('/') ? shellWord(path) : shellWord(`~/${path}`)
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  return [
    'say user "$(id -un)"; say uid "$(id -u)"; say home "$HOME"; say shell "$SHELL"',
    '[ -d "$HOME" ] && [ -w "$HOME" ] && say writable yes',
    'say system "$(uname -s)"; say machine "$(uname -m)"',
    'say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 2 | tr "\\n" " ")"',
    'for n in /lib/ld-musl-*; do [ -e "$n" ] && say musl "$n"; done',
    'say cpu "$(sed -n "/^flags/{p;q;}" /proc/cpuinfo 2>/dev/null)"',
    't() { if [ -n "$1" ] && [ -x "$1" ] && [ -f "$1" ]; then case "$seen" in *":$1:"*) return ;; esac; seen="$seen:$1:"; ' +
      'say node "$("$1" -p process.versions.node 2>/dev/null </dev/null) $1"; fi; ' +
      'n="${1%/*}/pm2"; if [ -n "$1" ] && [ -e "$n" ]; then say pm2 "$n"; fi; }',
    'seen=""',
    ...tryEach('gapless', binPath),
    'n="$(command -v pm2 2>/dev/null)"; [ -n "$n" ] && say pm2 "$n"',
    'say brought "$(readlink "$HOME/.gapless/runtime/bin/node" 2>/dev/null)"',
    'm="$(df -P "$HOME" 2>/dev/null | sed -n "2s/.*% *//p")"',
    'say mount "$(while read -r a b c e f; do [ "$b" = "$m" ] && echo "$e"; done </proc/mounts | tail -n 1)"',
    `b=${base}; while [ -n "$b" ] && [ ! -e "$b" ]; do b="\${b%/*}"; done`,
    'say disk "$(df -Pk "${b:-/}" 2>/dev/null | sed -n 2p)"; say inodes "$(df -Pi "${b:-/}" 2>/dev/null | sed -n 2p)"',
    'say memory "$(sed -n "s/^MemAvailable: *//p" /proc/meminfo 2>/dev/null)"',
    'say files "$(ulimit -n)"; say processes "$(ulimit -u 2>/dev/null)"; say clock "$(date +%s)"',
    'u="$(id -un)"; for n in /etc/systemd/system/*.wants/*.service /etc/systemd/system/*.service; do ' +
      'if grep -q "^User=$u$" "$n" 2>/dev/null && grep -q "^ExecStart=.*pm2.* resurrect" "$n"; then say boot "$n"; break; fi; done',
    'say linger "$([ -e "/var/lib/systemd/linger/$u" ] && echo yes)"',
    'n="$HOME/.config/systemd/user/default.target.wants"; for n in "$n"/*.service; do ' +
      'if grep -q "^ExecStart=.*pm2.* resurrect" "$n" 2>/dev/null; then say unit "$n"; fi; done',
    'n="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"; if XDG_RUNTIME_DIR="$n" systemctl --user show-environment >/dev/null 2>&1 </dev/null; then say systemd yes; fi',
    'if command -v crontab >/dev/null 2>&1; then say crontab yes; n="$(crontab -l 2>/dev/null | grep "^@reboot.*pm2.* resurrect" | head -n 1)"; [ -n "$n" ] && say boot "$n"; fi',
    `grep -q ":${hex} 0*:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null && say port taken`,
    'grep -hs "^[^#]*keepalive_timeout" /etc/nginx/nginx.conf /etc/nginx/conf.d/* /etc/nginx/sites-enabled/* | while read -r n; do say nginx "$n"; done',
    'say end yes',
  ].join('\n')
}

function parse(said: readonly (readonly [string, string])[], errors: string): Probe {
  const all = (key: string) => said.flatMap(([name, value]) => (name === key ? [value] : []))
  const one = (key: string) => all(key)[0]?.trim() ?? ''
  const libc = `${one('libc')} ${one('musl')}`
  const [disk, inodes] = [one('disk'), one('inodes')].map((line) => Number(line.split(/\s+/).at(-3)))
  const memory = Number.parseInt(one('memory'), 10)
  const lingers = one('linger') === 'yes'
  const unit = one('unit')
  return {
    user: one('user'),
    isRoot: one('uid') === '0',
    home: one('home'),
    homeWritable: one('writable') === 'yes',
    shell: one('shell'),
    // Without its last line the script was cut off, and what is missing means nothing.
    system: one('end') === 'yes' ? one('system') : `unknown (${errors.slice(-200)})`,
    machine: one('machine'),
    // glibc's own word first: musl may be installed beside it.
    libc: /glibc|GNU/i.test(libc) ? 'glibc' : /musl/i.test(libc) ? 'musl' : 'unknown',
    libcVersion: /\d+\.\d+(\.\d+)?/.exec(one('libc'))?.[0] ?? '',
    cpuFlags: one('cpu').split(/\s+/).slice(1),
    nodes: all('node').map((line) => {
      const [version = '', ...path] = line.split(' ')
      return { version, path: path.join(' ') }
    }),
    broughtNode: one('brought'),
    pm2: [...new Set(all('pm2'))],
    homeMount: one('mount')
      .split(',')
      .filter((option) => option !== ''),
    freeBytes: Number.isFinite(disk) ? disk! * 1024 : null,
    // Some file systems (btrfs) have no fixed number of inodes.
    freeInodes: Number.isFinite(inodes) && inodes! > 0 ? inodes! : null,
    freeMemory: Number.isFinite(memory) ? memory * 1024 : null,
    openFiles: one('files'),
    processes: one('processes'),
    clock: Number(one('clock')) * 1000,
    boot: one('boot') || (lingers ? unit : ''),
    hasUserSystemd: one('systemd') === 'yes',
    lingers,
    hasCrontab: one('crontab') === 'yes',
    portTaken: one('port') === 'taken',
    nginxKeepAlive: all('nginx').flatMap((line) => /keepalive_timeout\s+(\S+?);/.exec(line)?.[1] ?? []),
  }
}

const MACHINES: Readonly<Record<string, string>> = {
  x86_64: 'x64',
  amd64: 'x64',
  aarch64: 'arm64',
  arm64: 'arm64',
  ppc64le: 'ppc64le',
  s390x: 's390x',
}

/** Node's word for the architecture that `uname -m` names; null where Node has no build for it. */
export function machineOf(name: string): string | null {
  return MACHINES[name] ?? null
}
