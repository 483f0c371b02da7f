/**
 * Makes a fresh clone ready and runs a command in it. It needs Node and npm, and nothing else.
 *
 *   node scripts/bootstrap.mjs demo [arguments]      the demo, on the runner's Node
 *   node scripts/bootstrap.mjs pictures [arguments]  job summaries, drawn
 *   node scripts/bootstrap.mjs bench NAME [arguments]
 *   node scripts/bootstrap.mjs test [arguments]      the tests; Debian's packages are installed when root may
 *   node scripts/bootstrap.mjs faults [--random N]   every fault at every step, or N at random moments; --core: a few
 *   node scripts/bootstrap.mjs attacks               the attacks alone, all of them, and their table
 */
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { nodeBinary } from './node-version.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** What GitHub's runners run actions on. */
const RUNNER_NODE = '24'
/** How often something that takes long says that it goes on, in ms. */
const STILL_MS = 5000

const all = process.env.GAPLESS_TEST_ALL === '1'
const commands = {
  demo: async (args) => handOver(await runnerNode(), [join(root, 'demo', 'main.ts'), ...args]),
  async bench([name, ...args]) {
    ensure('/usr/sbin/sshd', 'openssh-server')
    if (name === 'transfer') ensure('/usr/bin/rsync', 'rsync')
    return handOver(await runnerNode(), [join(root, 'bench', `${name}.ts`), ...args])
  },
  async pictures(args) {
    ensure('/usr/bin/chromium', 'chromium')
    ensure('/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf', 'fonts-noto-color-emoji', false)
    return handOver(await runnerNode(), [script('pictures'), ...args])
  },
  async test(args) {
    ensureDaemons()
    await runnerNode()
    return handOver(process.execPath, [script('test'), ...args])
  },
  async faults(args) {
    ensure('/usr/sbin/sshd', 'openssh-server')
    await runnerNode()
    const core = args.indexOf('--core')
    if (core >= 0) args.splice(core, 1)
    const at = args.indexOf('--random')
    const [, rounds] = at < 0 ? [] : args.splice(at, 2)
    if (core >= 0) process.env.GAPLESS_CORE_FAULTS = '1'
    else if (rounds === undefined) process.env.GAPLESS_TEST_ALL = '1'
    else process.env.GAPLESS_RANDOM_FAULTS = rounds
    const suite = rounds === undefined ? '__tests__/faults' : '__tests__/faults/random'
    return handOver(process.execPath, [script('test'), suite, ...args])
  },
  async attacks(args) {
    ensureDaemons()
    await runnerNode()
    return handOver(process.execPath, [script('attacks'), ...args])
  },
}

const [, , command, ...given] = process.argv
if (!Object.hasOwn(commands, command)) throw new Error(`unknown command: ${command}`)
await installDependencies()
await commands[command](given)

function script(name) {
  return join(root, 'scripts', `${name}.mjs`)
}

/** What the tests start on this machine. Some tests are left out without the optional ones, and say so. */
function ensureDaemons() {
  ensure('/usr/sbin/sshd', 'openssh-server')
  ensure('/usr/sbin/nginx', 'nginx')
  // The login shells that people have: without one its tests are left out.
  for (const shell of ['zsh', 'fish', 'tcsh']) ensure(`/usr/bin/${shell}`, shell, false)
  // Several hosts are network namespaces, which root alone may make: elsewhere those tests are left out.
  ensure('/usr/sbin/ip', 'iproute2', false)
  if (!all) return
  ensure('/usr/bin/chromium', 'chromium')
  ensure('/usr/bin/caddy', 'caddy', false)
  ensure('/usr/sbin/haproxy', 'haproxy', false)
  ensure('/usr/bin/redis-server', 'redis-server', false)
  ensure('/usr/sbin/setcap', 'libcap2-bin', false)
  // A systemd of a test's own, whose users have one of theirs.
  ensure('/lib/systemd/systemd', 'systemd', false)
  ensure('/usr/share/pam-configs/systemd', 'libpam-systemd', false)
  ensure('/usr/lib/polkit-1/polkitd', 'polkitd', false)
}

/** Runs `npm ci` when the lockfile is another than the last time. */
async function installDependencies() {
  const stamp = join(root, 'node_modules', '.gapless-lock')
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  await patiently('Installing the dependencies (npm ci)', 'npm', ['ci', '--no-audit', '--no-fund'])
  writeFileSync(stamp, lock)
}

/** The path of the runner's Node.js. In a process of its own, so that this one can say that it goes on. */
async function runnerNode() {
  await patiently(`Getting Node.js ${RUNNER_NODE}`, process.execPath, [script('node-version'), RUNNER_NODE])
  return nodeBinary(RUNNER_NODE)
}

/** Runs a program that may take long. Silent unless it takes a second or fails; ends this process where it fails. */
async function patiently(what, program, args) {
  const begun = performance.now()
  const seconds = () => Math.round((performance.now() - begun) / 1000)
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const stopForwarding = forwardSignals(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const first = setTimeout(() => console.log(`${what}…`), 1000)
  const still = setInterval(() => console.log(`${what}: ${seconds()} s so far`), STILL_MS)
  const status = await new Promise((resolve) => {
    child.once('error', (error) => {
      output += error.message
      resolve(1)
    })
    child.once('close', (code) => resolve(code ?? 1))
  })
  clearTimeout(first)
  clearInterval(still)
  stopForwarding()
  if (status === 0) return
  console.error(`${output}\n${what} failed. What npm or Node.js said is above.`)
  process.exit(status)
}

/** Installs a Debian package for a program that is missing, or says what to install; ends where it is required. */
function ensure(program, packageName, required = true) {
  if (existsSync(program)) return
  if (process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0) {
    console.log(`Installing ${packageName}…`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (aptArgs) => spawnSync('apt-get', aptArgs, { stdio: ['ignore', 'ignore', 'inherit'], env })
    apt(['update', '-qq'])
    apt(['install', '-y', '-qq', '--no-install-recommends', packageName])
  }
  if (existsSync(program)) return
  const need = required ? 'The tests need' : 'Some tests are left out without'
  console.error(`${need} ${program}. Install it as root: apt-get install ${packageName}`)
  if (required) process.exit(1)
}

/** Runs the command itself, and ends as it does. A Ctrl-C is the command's to handle: it has things to clean up. */
function handOver(program, programArgs) {
  const child = spawn(program, programArgs, { cwd: root, stdio: 'inherit' })
  forwardSignals(child)
  child.on('exit', (status) => process.exit(status ?? 1))
}

/** @returns a function that ends the forwarding */
function forwardSignals(child) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const forward = (signal) => child.kill(signal)
  for (const signal of signals) process.on(signal, forward)
  return () => {
    for (const signal of signals) process.off(signal, forward)
  }
}
