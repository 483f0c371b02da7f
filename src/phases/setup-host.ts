/** setup: brings Node.js, PM2 and the start at boot to a server that lacks them. Each step can be repeated. */
import { createReadStream } from 'node:fs'
import { failure } from '../common/errors/build.ts'
import { formatBytes } from '../common/format.ts'
import type { BareHost } from '../hosts/bare.ts'
import { fitsNext, machineOf, type Probe, usableNode, usablePm2 } from '../hosts/probe.ts'
import type { NodeNeed } from '../next/node-need.ts'
import type { Bundle, Fetched } from '../next/runtime-packages.ts'
export { fetcher } from '../next/runtime-packages.ts'
import { satisfies } from '../next/version-range.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import { RUNTIME } from '../protocol/server-programs.ts'
import { MUSL } from './findings.ts'

/** In ms. */
const LIMIT = 15 * 60_000

export async function setUpHost(
  host: BareHost,
  fetched: Fetched,
  version: string,
  { run, log }: Pipeline,
  needs: readonly NodeNeed[] = [],
): Promise<void> {
  const seen = await host.look()
  await run('setup-node', () => bringNode(host, seen, fetched, version, log, needs))
  await run('setup-pm2', () => bringPm2(host, seen, fetched, log))
  await run('setup-boot', async () => startAtBoot(host, await host.look()))
}

const done = (detail: string): Done<null> => ({ value: null, detail })

async function bringNode(
  host: BareHost,
  seen: Probe,
  fetched: Fetched,
  version: string,
  log: Log,
  needs: readonly NodeNeed[],
): Promise<Done<null>> {
  const own = /\/node\/([^/]+)\/bin\/node$/.exec(seen.broughtNode)?.[1]
  const existing = usableNode({ nodes: seen.nodes.filter(({ path }) => !path.includes(`/${RUNTIME}/`)) })
  if (existing !== null && own === undefined && fits(existing.version, needs)) {
    return done(`the server has Node ${existing.version} (${existing.path})`)
  }
  const { what } = NODE
  if (seen.libc === 'musl')
    throw failure('setup-failed', { what, problem: 'the server uses musl', remedy: MUSL })
  const arch = machineOf(seen.machine)
  if (seen.system !== 'Linux' || arch === null) {
    const remedy = 'Install Node.js from the distribution as root.'
    const problem = `${seen.system} on ${seen.machine} is not supported`
    throw failure('setup-failed', { what, problem, remedy })
  }
  const runs =
    own !== undefined &&
    seen.nodes.some(({ path, version: found }) => found === own && path.endsWith(`${RUNTIME}/bin/node`))
  if (runs && (own === version || own.startsWith(`${version}.`))) return done(`Node ${own} is there`)
  const bundle = await fetched.node(arch, version)
  await send(host, NODE, bundle, log)
  return done(`brought Node ${bundle.version} (${formatBytes(bundle.bytes)})`)
}

function fits(version: string, needs: readonly NodeNeed[]): boolean {
  return fitsNext(version) && needs.every(({ range }) => satisfies(version, range) !== false)
}

async function bringPm2(host: BareHost, seen: Probe, fetched: Fetched, log: Log): Promise<Done<null>> {
  const existing = usablePm2(seen)
  if (existing !== null) return done(`the server has PM2 ${existing.version} (${existing.path})`)
  const bundle = await fetched.pm2()
  await send(host, PM2, bundle, log)
  return done(`brought PM2 ${bundle.version} (${formatBytes(bundle.bytes)})`)
}

/** What is brought: `members` of an archive, and in its folder `inner` a `command` and a `trial` that must succeed. */
interface Brought {
  readonly name: 'node' | 'pm2'
  readonly what: string
  readonly members: string
  /** From `/` on. */
  readonly inner: string
  readonly command: string
  readonly trial: string
}

const NODE: Brought = {
  name: 'node',
  what: 'Node.js',
  members: 'package/bin/node',
  inner: '/package',
  command: 'bin/node',
  trial: 'bin/node -p process.version',
}
const PM2: Brought = {
  name: 'pm2',
  what: 'PM2',
  members: 'node_modules',
  inner: '',
  command: 'node_modules/pm2/bin/pm2',
  trial: 'test -f node_modules/pm2/bin/pm2',
}

/** Unpacks under another name, tries it, and then gives it its name and its link in one step each. */
async function send(
  host: BareHost,
  { name, what, members, inner, command, trial }: Brought,
  bundle: Bundle,
  log: Pick<Log, 'info'>,
): Promise<void> {
  const target = `${name}/${bundle.version}`
  const script = [
    'umask 022; LC_ALL=C; export LC_ALL',
    // Runs a command, and tells what is in its way: a full disk is no folder that belongs to somebody else.
    'd() { e="$("$@" 2>&1)" && return; case "$e" in *"o space"* | *uota*) say problem disk ;; *"ead-only"*) say problem read-only ;; *) say problem folder ;; esac; say why "$(echo "$e" | head -n 1)"; return 1; }',
    `r="$HOME/${RUNTIME}"; d mkdir -p "$r/bin" "$r/${name}" && d chmod 700 "$HOME/.gapless" && cd "$r" || return`,
    // Those of interrupted runs, too. Another run may be at work beside this one: the number is its shell's.
    `for n in .new-${name}-*; do p="\${n##*-}"; if [ "$p" = $$ ] || ! kill -0 "$p" 2>/dev/null; then rm -rf "$n"; fi; done`,
    `t=".new-${name}-$$"; d mkdir "$t" || return`,
    `cat >"$t/packed" || { rm -rf "$t"; say problem disk; return; }`,
    `if [ "$(wc -c <"$t/packed" | tr -d " ")" != ${bundle.bytes} ]; then rm -rf "$t"; say problem incomplete; return; fi`,
    `if command -v sha256sum >/dev/null 2>&1 && ! sha256sum "$t/packed" | grep -q "^${bundle.sha256}"; then rm -rf "$t"; say problem incomplete; return; fi`,
    `tar -xzf "$t/packed" -C "$t" ${members} || { rm -rf "$t"; say problem unpack; return; }`,
    'rm -f "$t/packed"',
    `if ! e="$(cd "$t${inner}" && ${trial} 2>&1 </dev/null)"; then rm -rf "$t"; say problem trial; say why "$(echo "$e" | head -n 1)"; return; fi`,
    'sync 2>/dev/null',
    // What is there may be half of an earlier run's.
    `rm -rf "${target}.old"; if [ -e "${target}" ]; then d mv "${target}" "${target}.old" || return; fi`,
    `d mv "$t${inner}" "${target}" || return`,
    `d ln -sfn "../${target}/${command}" "bin/.new-${name}" && d mv -f "bin/.new-${name}" "bin/${name}" || return`,
    `rm -rf "$t" "${target}.old"; say done yes`,
  ].join('\n')
  const { said, errors } = await host.run(script, { body: withProgress(bundle, what, log), timeoutMs: LIMIT })
  const answer = new Map(said)
  if (answer.get('done') === 'yes') return
  const problem = answer.get('problem') ?? 'interrupted'
  const [words, remedy] = PROBLEMS[problem] ?? [`the server stopped it (${problem})`, 'Run setup again.']
  const why = answer.get('why') ?? ''
  throw failure(
    'setup-failed',
    { what, problem: `${words}${why === '' ? '' : ` (${why})`}`, remedy },
    { evidence: errors },
  )
}

const PROBLEMS: Readonly<Record<string, readonly [problem: string, remedy: string]>> = {
  folder: [`"~/${RUNTIME}" is not writable`, 'Give the home to the user that logs in, and run setup again.'],
  'read-only': ['the home is mounted read-only', 'Mount the home writable, and run setup again.'],
  disk: ['the disk is full', 'Free disk space on the server, and run setup again.'],
  incomplete: ['it arrived incomplete', 'Free disk space on the server, and run setup again.'],
  unpack: [
    'it could not be unpacked',
    'Free disk space on the server, check that `tar` and `gzip` are there, and run setup again.',
  ],
  trial: [
    'it does not run there',
    'Mount the home without `noexec`, set an older `node-version` for an old glibc, or install Node.js as root.',
  ],
}

async function* withProgress(
  { file, bytes }: Bundle,
  what: string,
  { info }: Pick<Log, 'info'>,
): AsyncGenerator<Buffer> {
  let [sent, shown] = [0, 0]
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    yield chunk
    sent += chunk.length
    const tenth = Math.floor((10 * sent) / bytes)
    if (tenth > shown) info(`${what}: sent ${tenth * 10}% of ${formatBytes(bytes)}`)
    shown = tenth
  }
}

async function startAtBoot(host: BareHost, seen: Probe): Promise<Done<null>> {
  const { boot, bootLacks } = seen
  const isOurs = boot.endsWith(`/${UNIT}`) || boot.endsWith(MARK)
  if (boot !== '' && !isOurs) {
    const doubt = `, but ${bootLacks} is not there: correct that as root`
    return done(`PM2 starts at boot: ${boot}${bootLacks === '' ? '' : doubt}`)
  }
  const found = usableNode(seen)?.path ?? ''
  // The folder of a version goes once nothing runs from it.
  const node = found.includes(`/${RUNTIME}/`) ? `${seen.home}/${RUNTIME}/bin/node` : found
  const pm2 = usablePm2(seen)?.path ?? ''
  // In a unit and in a crontab these have a meaning of their own.
  if (/[%"'\\\n$]/.test(`${node}${pm2}${seen.home}`)) {
    return done(`nothing starts PM2 at boot: "${seen.home}" has signs that systemd and cron do not take`)
  }
  const entries = bootEntries(seen.home, node, pm2)
  const body = async function* () {
    yield Buffer.from(entries.unit + entries.cron)
  }
  const { said } = await host.run(bootScript(entries), { body: body(), timeoutMs: 60_000 })
  const by = new Map(said).get('boot') ?? ''
  const started = BOOTS[by]
  if (started !== undefined) return done(started)
  const command = seen.hasUserSystemd
    ? `loginctl enable-linger ${seen.user}`
    : `(crontab -u ${seen.user} -l; echo '${entries.cron.trim()}') | crontab -u ${seen.user} -`
  return done(`nothing starts PM2 at boot yet: as root, run \`${command}\`, then run setup again`)
}

const UNIT = 'gapless-pm2.service'
/** The end of the line in the crontab. */
const MARK = '# gapless'

const BOOTS: Readonly<Record<string, string>> = {
  unit: `a user unit starts PM2 at boot (${UNIT}, with lingering)`,
  cron: '`@reboot` in crontab starts PM2 at boot',
}

interface BootEntries {
  readonly unit: string
  readonly cron: string
}

function bootEntries(home: string, node: string, pm2: string): BootEntries {
  const unit = [
    '[Unit]',
    'Description=PM2 for Gapless',
    '[Service]',
    'Type=forking',
    `Environment="PATH=${node.replace(/\/[^/]*$/, '')}:/usr/local/bin:/usr/bin:/bin"`,
    `Environment="PM2_HOME=${home}/.pm2"`,
    `PIDFile=${home}/.pm2/pm2.pid`,
    `ExecStart="${node}" "${pm2}" resurrect`,
    `ExecStop="${node}" "${pm2}" kill`,
    'Restart=always',
    'RestartSec=1',
    'KillMode=process',
    'OOMPolicy=continue',
    '[Install]',
    'WantedBy=default.target',
    '',
  ].join('\n')
  return { unit, cron: `@reboot PM2_HOME="${home}/.pm2" "${node}" "${pm2}" resurrect ${MARK}\n` }
}

/** Its body is the unit, and then the line. An entry that is there already is brought up to date. */
function bootScript({ unit, cron }: BootEntries): string {
  return [
    'u="$(id -un)"; export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"',
    `d="$HOME/.config/systemd/user"; f="$d/${UNIT}"; w="$d/default.target.wants/${UNIT}"`,
    `t="$HOME/${RUNTIME}"; mkdir -p "$t" && t="$t/.new-boot-$$" && cat >"$t" || return`,
    `head -c ${Buffer.byteLength(unit)} "$t" >"$t.unit"; tail -c ${Buffer.byteLength(cron)} "$t" >"$t.line"`,
    's() { systemctl --user "$@" >/dev/null 2>&1 </dev/null; }',
    'unit() { s show-environment && { [ -e "/var/lib/systemd/linger/$u" ] || loginctl enable-linger "$u" >/dev/null 2>&1 </dev/null; } || return 1',
    'if ! [ -e "$w" ] || [ "$(cat "$f" 2>/dev/null)" != "$(cat "$t.unit")" ]; then',
    `mkdir -p "$d" && cat "$t.unit" >"$d/.${UNIT}.new" && mv -f "$d/.${UNIT}.new" "$f" && s daemon-reload && s enable ${UNIT} || return; fi`,
    // A daemon that runs already is not systemd's, and apps that PM2 knows may have been stopped on purpose.
    `b=unit; [ -e "$HOME/.pm2/rpc.sock" ] || [ -e "$HOME/.pm2/dump.pm2" ] || s start --no-block ${UNIT}; true; }`,
    // A list that cannot be read is not an empty one: what the user has in it must stay.
    'list() { LC_ALL=C crontab -l >"$t.old" 2>"$t.said" || grep -qi -e "no crontab" -e "no such file" "$t.said"; }',
    `others() { grep -v "${MARK}$" "$t.old"; true; }`,
    'cron() { command -v crontab >/dev/null 2>&1 && list || return 1',
    `if [ "$(grep "${MARK}$" "$t.old")" = "$(cat "$t.line")" ]; then b=cron; return; fi`,
    '{ others; cat "$t.line"; } >"$t.cron" && crontab "$t.cron" && b=cron; }',
    'b=""',
    // Two would start PM2 twice.
    `if unit; then if command -v crontab >/dev/null 2>&1 && list && grep -q "${MARK}$" "$t.old"; then others >"$t.cron"; crontab "$t.cron"; fi`,
    `else b=""; cron; [ ! -e "$f" ] || { s disable ${UNIT}; rm -f "$f"; }; fi`,
    '[ -z "$b" ] || say boot "$b"',
    'rm -f "$t" "$t.unit" "$t.line" "$t.old" "$t.said" "$t.cron"',
  ].join('\n')
}
