/** setup: brings Node.js, PM2 and the start at boot to a server that lacks them. Each step can be repeated. */
import { createReadStream } from 'node:fs'
import { failure } from '../common/errors/build.ts'
import { formatBytes } from '../common/format.ts'
import type { BareHost } from '../hosts/bare.ts'
import { machineOf, type Probe, usableNode } from '../hosts/probe.ts'
import type { Bundle, Fetched } from '../next/runtime-packages.ts'
export { fetcher } from '../next/runtime-packages.ts'
import { satisfies } from '../next/version-range.ts'
import type { Done, Log, Pipeline } from '../pipeline.ts'
import { RUNTIME } from '../protocol/server-programs.ts'
import { MUSL } from './findings.ts'

/** What Next.js 16 needs; 14 and 15 need less. */
const FITTING = '>=20.9.0'
/** In ms. */
const LIMIT = 15 * 60_000

export async function setUpHost(
  host: BareHost,
  fetched: Fetched,
  version: string,
  { run, log }: Pipeline,
): Promise<void> {
  const seen = await host.look()
  await run('setup-node', () => bringNode(host, seen, fetched, version, log))
  await run('setup-pm2', () => bringPm2(host, seen, fetched, log))
  await run('setup-boot', async () => startAtBoot(host, await host.look()))
}

async function bringNode(
  host: BareHost,
  seen: Probe,
  fetched: Fetched,
  version: string,
  log: Log,
): Promise<Done<null>> {
  const own = /\/node\/([^/]+)\/bin\/node$/.exec(seen.broughtNode)?.[1]
  const existing = usableNode({ nodes: seen.nodes.filter(({ path }) => !path.includes(`/${RUNTIME}/`)) })
  if (existing !== null && own === undefined && satisfies(existing.version, FITTING) === true) {
    return { value: null, detail: `the server has Node ${existing.version} (${existing.path})` }
  }
  const what = 'Node.js'
  if (seen.libc === 'musl')
    throw failure('setup-failed', { what, problem: 'the server uses musl', remedy: MUSL })
  const arch = machineOf(seen.machine)
  if (seen.system !== 'Linux' || arch === null) {
    const remedy = 'Install Node.js from the distribution as root.'
    throw failure('setup-failed', {
      what,
      problem: `${seen.system} on ${seen.machine} is not supported`,
      remedy,
    })
  }
  const runs =
    own !== undefined &&
    seen.nodes.some(({ path, version: found }) => found === own && path.endsWith(`${RUNTIME}/bin/node`))
  if (runs && (own === version || own.startsWith(`${version}.`)))
    return { value: null, detail: `Node ${own} is there` }
  const bundle = await fetched.node(arch, version)
  await send(
    host,
    'node',
    bundle,
    'package/bin/node',
    '/package',
    'bin/node',
    'bin/node -p process.version',
    what,
    log,
  )
  return { value: null, detail: `brought Node ${bundle.version} (${formatBytes(bundle.bytes)})` }
}

async function bringPm2(host: BareHost, seen: Probe, fetched: Fetched, log: Log): Promise<Done<null>> {
  const [first] = seen.pm2
  if (first !== undefined) return { value: null, detail: `the server has PM2 (${first})` }
  const bundle = await fetched.pm2()
  const command = 'node_modules/pm2/bin/pm2'
  await send(host, 'pm2', bundle, 'node_modules', '', command, `test -f ${command}`, 'PM2', log)
  return { value: null, detail: `brought PM2 ${bundle.version} (${formatBytes(bundle.bytes)})` }
}

/**
 * Unpacks under another name, tries it, and then gives it its name and its link in one step each.
 * @param members of the archive @param inner folder of the archive, from `/` on @param command relative to it @param trial what must succeed in it
 */
async function send(
  host: BareHost,
  name: 'node' | 'pm2',
  bundle: Bundle,
  members: string,
  inner: string,
  command: string,
  trial: string,
  what: string,
  log: Pick<Log, 'info'>,
): Promise<void> {
  const target = `${name}/${bundle.version}`
  const script = [
    'umask 022',
    `r="$HOME/${RUNTIME}"; mkdir -p "$r/bin" "$r/${name}" && chmod 700 "$HOME/.gapless" && cd "$r" || { say problem folder; return; }`,
    // Those of interrupted runs, too. Another run may be at work beside this one: the number is its shell's.
    `for n in .new-${name}-*; do p="\${n##*-}"; if [ "$p" = $$ ] || ! kill -0 "$p" 2>/dev/null; then rm -rf "$n"; fi; done`,
    `t=".new-${name}-$$"; mkdir "$t" || { say problem folder; return; }`,
    `cat >"$t/packed" || { rm -rf "$t"; say problem disk; return; }`,
    `if [ "$(wc -c <"$t/packed" | tr -d " ")" != ${bundle.bytes} ]; then rm -rf "$t"; say problem incomplete; return; fi`,
    `if command -v sha256sum >/dev/null 2>&1 && ! sha256sum "$t/packed" | grep -q "^${bundle.sha256}"; then rm -rf "$t"; say problem incomplete; return; fi`,
    `tar -xzf "$t/packed" -C "$t" ${members} || { rm -rf "$t"; say problem unpack; return; }`,
    'rm -f "$t/packed"',
    `if ! e="$(cd "$t${inner}" && ${trial} 2>&1 </dev/null)"; then rm -rf "$t"; say problem trial; say why "$(echo "$e" | head -n 1)"; return; fi`,
    'sync 2>/dev/null',
    // What is there may be half of an earlier run's.
    `rm -rf "${target}.old"; if [ -e "${target}" ]; then mv "${target}" "${target}.old" || return; fi`,
    `mv "$t${inner}" "${target}" || { say problem folder; return; }`,
    `ln -sfn "../${target}/${command}" "bin/.new-${name}" && mv -f "bin/.new-${name}" "bin/${name}" || { say problem folder; return; }`,
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
  disk: ['it could not be written', 'Free disk space on the server, and run setup again.'],
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
  if (seen.boot !== '') return { value: null, detail: `PM2 starts at boot: ${seen.boot}` }
  const node = usableNode(seen)?.path ?? ''
  const pm2 = seen.pm2[0] ?? ''
  // In a unit and in a crontab these have a meaning of their own.
  if (/[%"'\\\n$]/.test(`${node}${pm2}${seen.home}`)) {
    return {
      value: null,
      detail: `nothing starts PM2 at boot: "${seen.home}" has signs that systemd and cron do not take`,
    }
  }
  const unit = [
    '[Unit]',
    'Description=PM2 for Gapless',
    '[Service]',
    'Type=forking',
    `Environment="PATH=${node.replace(/\/[^/]*$/, '')}:/usr/local/bin:/usr/bin:/bin"`,
    `Environment="PM2_HOME=${seen.home}/.pm2"`,
    `PIDFile=${seen.home}/.pm2/pm2.pid`,
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
  const cron = `@reboot PM2_HOME="${seen.home}/.pm2" "${node}" "${pm2}" resurrect # gapless\n`
  const body = async function* () {
    yield Buffer.from(unit + cron)
  }
  const script = [
    'u="$(id -un)"; export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"; d="$HOME/.config/systemd/user"',
    `t="$HOME/${RUNTIME}"; mkdir -p "$t" && t="$t/.new-boot-$$" && cat >"$t" || return`,
    'if systemctl --user show-environment >/dev/null 2>&1 </dev/null && { [ -e "/var/lib/systemd/linger/$u" ] || loginctl enable-linger "$u" >/dev/null 2>&1 </dev/null; }; then',
    `mkdir -p "$d" && head -c ${Buffer.byteLength(unit)} "$t" >"$d/.gapless-pm2.service.new" && mv -f "$d/.gapless-pm2.service.new" "$d/gapless-pm2.service" &&`,
    'systemctl --user daemon-reload </dev/null && systemctl --user enable gapless-pm2.service >/dev/null 2>&1 </dev/null && say boot unit',
    'elif command -v crontab >/dev/null 2>&1; then',
    // A list that cannot be read is not an empty one: what the user has in it must stay.
    '{ LC_ALL=C crontab -l >"$t.old" 2>"$t.said" || grep -qi -e "no crontab" -e "no such file" "$t.said"; } &&',
    `{ grep -v "# gapless$" "$t.old"; tail -c ${Buffer.byteLength(cron)} "$t"; } >"$t.cron" && crontab "$t.cron" && say boot cron`,
    'fi',
    'rm -f "$t" "$t.old" "$t.said" "$t.cron"',
  ].join('\n')
  const { said } = await host.run(script, { body: body(), timeoutMs: 60_000 })
  const by = new Map(said).get('boot')
  if (by === 'unit')
    return { value: null, detail: 'a user unit starts PM2 at boot (gapless-pm2.service, with lingering)' }
  if (by === 'cron') return { value: null, detail: '`@reboot` in crontab starts PM2 at boot' }
  const command = seen.hasUserSystemd
    ? `loginctl enable-linger ${seen.user}`
    : `(crontab -u ${seen.user} -l; echo '${cron.trim()}') | crontab -u ${seen.user} -`
  return {
    value: null,
    detail: `nothing starts PM2 at boot yet: as root, run \`${command}\`, then run setup again`,
  }
}
