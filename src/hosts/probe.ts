/** What a plain shell can tell about a server, where the agent may not run. It changes nothing there. */
import { FITTING_NODE, OLDEST_NODE, pm2Folders } from '../protocol/server-programs.ts'
import type { Remote } from '../agent-client/agent-session.ts'
import { shellWord, tryEach } from '../agent-client/bootstrap.ts'
import { runScript } from '../agent-client/script.ts'

export interface Program {
  readonly path: string
  /** Empty: it does not run. */
  readonly version: string
}

export interface FoundNode extends Program {
  /** Named in `bin-path`, the daemon's, setup's, or the first of the PATH: no other counts if the agent runs on it. */
  readonly isSet: boolean
}

export interface FoundPm2 extends Program {
  /** Of the Node beside it; empty: there is none, or it does not run. */
  readonly node: string
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
  readonly nodes: readonly FoundNode[]
  /** The link that setup made; empty: it brought none. */
  readonly broughtNode: string
  /** Commands named pm2, in the order in which they were found. */
  readonly pm2: readonly FoundPm2[]
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
  /** A program that it names and that is not there; empty: all are. */
  readonly bootLacks: string
  readonly hasUserSystemd: boolean
  /** Whether something listens on the app's port. */
  readonly portTaken: boolean
  /** Lines of nginx's and Caddy's files, where they can be read. */
  readonly proxy: readonly string[]
}

/** The Node that a deploy uses: chosen as the bootstrap chooses. */
export function usableNode({ nodes }: Pick<Probe, 'nodes'>): Program | null {
  const usable = nodes.filter(({ version }) => Number.parseInt(version, 10) >= OLDEST_NODE)
  return usable.find(({ version, isSet }) => isSet || fitsNext(version)) ?? usable[0] ?? null
}

/** Whether every supported Next.js runs on this Node. */
export function fitsNext(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > FITTING_NODE[0] || (major === FITTING_NODE[0] && minor >= FITTING_NODE[1])
}

const OLDEST_PM2 = 5

/** One that lies beside a Node that is too old goes away together with that, and may be as old. */
export function usablePm2({ pm2 }: Pick<Probe, 'pm2'>): FoundPm2 | null {
  return (
    pm2.find(
      ({ version, node }) =>
        Number.parseInt(version, 10) >= OLDEST_PM2 &&
        (node === '' || Number.parseInt(node, 10) >= OLDEST_NODE),
    ) ?? null
  )
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
    't() { [ -n "$1" ] || return; case "$seen" in *":$1:"*) return ;; esac; seen="$seen:$1:"; v=""; ' +
      'if [ -x "$1" ] && [ -f "$1" ]; then v="$("$1" -p process.versions.node 2>/dev/null </dev/null)"; say node "${w:-0} ${v:--} $1"; fi; ' +
      'p "${1%/*}/pm2" "$v"; }',
    // The command is a link into the package, or a script beside it (pnpm, Yarn).
    'p() { [ -e "$1" ] || return; q="$(readlink -f "$1" 2>/dev/null)"; k=""; ' +
      'for b in "${q%/bin/*}" "${1%/*}/../lib/node_modules/pm2" "${1%/*}/node_modules/pm2" "${1%/*}"/global/*/node_modules/pm2; do ' +
      `if [ -z "$k" ] && grep -q '"name": *"pm2"' "$b/package.json" 2>/dev/null; then ` +
      `k="$(sed -n 's/.*"version": *"\\([^"]*\\)".*/\\1/p' "$b/package.json" | head -n 1)"; fi; done; ` +
      'say pm2 "${k:--} ${2:--} $1"; }',
    'seen=""; w=""',
    ...tryEach('gapless', binPath),
    'n="$(command -v pm2 2>/dev/null)"; case "$seen" in *":${n%/*}/node:"*) ;; *) p "$n" "" ;; esac',
    // npm's own setting for global programs.
    `n="$(sed -n 's/^ *prefix *= *//p' "$HOME/.npmrc" 2>/dev/null | tr -d '"' | head -n 1)"; case "$n" in "~/"*) n="$HOME/\${n#"~/"}" ;; ` +
      '\'${HOME}/\'*) n="$HOME/${n#*/}" ;; esac; [ -n "$n" ] && p "$n/bin/pm2" ""',
    `for n in ${pm2Folders.map((folder) => `"$HOME"/${folder}/pm2`).join(' ')}; do p "$n" ""; done`,
    'say brought "$(readlink "$HOME/.gapless/runtime/bin/node" 2>/dev/null)"',
    'm="$(df -P "$HOME" 2>/dev/null | sed -n "2s/.*% *//p")"',
    'say mount "$(while read -r a b c e f; do [ "$b" = "$m" ] && echo "$e"; done </proc/mounts | tail -n 1)"',
    `b=${base}; while [ -n "$b" ] && [ ! -e "$b" ]; do b="\${b%/*}"; done`,
    'say disk "$(df -Pk "${b:-/}" 2>/dev/null | sed -n 2p)"; say inodes "$(df -Pi "${b:-/}" 2>/dev/null | sed -n 2p)"',
    'say memory "$(sed -n "s/^MemAvailable: *//p" /proc/meminfo 2>/dev/null)"',
    'say files "$(ulimit -n)"; say processes "$(ulimit -u 2>/dev/null)"; say clock "$(date +%s)"',
    // Of what starts PM2: the programs that it names.
    `lacks() { set -f; for k in $(echo "$1" | tr '"=' '  '); do case "$k" in /*/node | /*/pm2) [ -e "$k" ] || say lacks "$k" ;; esac; done; set +f; }`,
    'u="$(id -un)"; for n in /etc/systemd/system/*.wants/*.service /etc/systemd/system/*.service; do ' +
      'if grep -q "^User=$u$" "$n" 2>/dev/null && grep -q "^ExecStart=.*pm2.* resurrect" "$n"; then say boot "$n"; lacks "$(sed -n "s/^ExecStart=//p" "$n")"; break; fi; done',
    'say linger "$([ -e "/var/lib/systemd/linger/$u" ] && echo yes)"',
    'n="$HOME/.config/systemd/user/default.target.wants"; for n in "$n"/*.service; do ' +
      'if grep -q "^ExecStart=.*pm2.* resurrect" "$n" 2>/dev/null; then say unit "$n"; lacks "$(sed -n "s/^ExecStart=//p" "$n")"; fi; done',
    'n="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"; if XDG_RUNTIME_DIR="$n" systemctl --user show-environment >/dev/null 2>&1 </dev/null; then say systemd yes; fi',
    'if command -v crontab >/dev/null 2>&1; then n="$(crontab -l 2>/dev/null | grep "^@reboot.*pm2.* resurrect" | head -n 1)"; [ -n "$n" ] && say boot "$n" && lacks "$n"; fi',
    `grep -q ":${hex} 0*:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null && say port taken`,
    'cat /etc/nginx/nginx.conf /etc/nginx/conf.d/*.conf /etc/nginx/sites-enabled/* /etc/caddy/Caddyfile 2>/dev/null | ' +
      'sed "s/#.*//" | grep "[^ ]" | head -n 2000 | while read -r n; do say proxy "$n"; done',
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
      const [isSet, version, path] = wordsOf(line)
      return { version, path, isSet: isSet === '1' }
    }),
    broughtNode: one('brought'),
    pm2: all('pm2').map((line) => {
      const [version, node, path] = wordsOf(line)
      return { version, node, path }
    }),
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
    bootLacks: one('lacks'),
    hasUserSystemd: one('systemd') === 'yes',
    portTaken: one('port') === 'taken',
    proxy: all('proxy'),
  }
}

/** Two words and a path; `-` is an empty word. */
function wordsOf(line: string): readonly [string, string, string] {
  const [first = '', second = '', ...path] = line.split(' ')
  const word = (text: string) => (text === '-' ? '' : text)
  return [word(first), word(second), path.join(' ')]
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
