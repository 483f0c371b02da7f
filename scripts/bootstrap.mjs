/**
 * Makes a fresh clone ready and runs a command in it. It needs Node and npm, and nothing else.
 *
 *   node scripts/bootstrap.mjs demo [arguments]    the demo, on the runner's Node
 *   node scripts/bootstrap.mjs pictures [arguments]    job summaries, drawn
 *   node scripts/bootstrap.mjs bench NAME [arguments]
 *   node scripts/bootstrap.mjs test [arguments]    all tests; Debian's packages are installed when root may
 *   node scripts/bootstrap.mjs faults [--random N]   every fault at every step, or N at random moments
 *   node scripts/bootstrap.mjs attacks             the attacks alone, all of them, and their table
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [, , command, ...args] = process.argv

installDependencies()
if (command === 'demo') {
  handOver(runnerNode(), [join(root, 'demo', 'main.ts'), ...args])
} else if (command === 'bench') {
  const [name, ...benchArgs] = args
  ensure('/usr/sbin/sshd', 'openssh-server')
  if (name === 'transfer') ensure('/usr/bin/rsync', 'rsync')
  handOver(runnerNode(), [join(root, 'bench', `${name}.ts`), ...benchArgs])
} else if (command === 'faults') {
  ensure('/usr/sbin/sshd', 'openssh-server')
  process.env['NODE_OPTIONS'] =
    `${process.env['NODE_OPTIONS'] ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`
  const at = args.indexOf('--random')
  const [, rounds] = at < 0 ? [] : args.splice(at, 2)
  if (rounds === undefined) process.env['GAPLESS_TEST_ALL'] = '1'
  else process.env['GAPLESS_RANDOM_FAULTS'] = rounds
  test(rounds === undefined ? '__tests__/faults' : '__tests__/faults/random')
} else if (command === 'pictures') {
  ensure('/usr/bin/chromium', 'chromium')
  ensure('/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf', 'fonts-noto-color-emoji', false)
  handOver(runnerNode(), [join(root, 'scripts', 'pictures.mjs'), ...args])
} else if (command === 'test' || command === 'attacks') {
  ensure('/usr/sbin/sshd', 'openssh-server')
  if (command === 'test') ensure('/usr/sbin/nginx', 'nginx')
  if (process.env['GAPLESS_TEST_ALL'] === '1') {
    ensure('/usr/bin/chromium', 'chromium')
    ensure('/usr/bin/caddy', 'caddy', false)
  }
  // The login shells that people have: without one its tests are left out.
  for (const shell of ['zsh', 'fish', 'tcsh']) ensure(`/usr/bin/${shell}`, shell, false)
  // Several hosts are network namespaces, which root alone may make: elsewhere those tests are left out.
  ensure('/usr/sbin/ip', 'iproute2', false)
  if (process.env['GAPLESS_TEST_ALL'] === '1') {
    ensure('/usr/sbin/haproxy', 'haproxy', false)
    ensure('/usr/bin/redis-server', 'redis-server', false)
  }
  process.env['NODE_OPTIONS'] =
    `${process.env['NODE_OPTIONS'] ?? ''} --experimental-vm-modules --disable-warning=ExperimentalWarning`
  if (command === 'attacks') handOver(process.execPath, [join(root, 'scripts', 'attacks.mjs'), ...args])
  else test()
} else {
  throw new Error(`unknown command: ${command}`)
}

/** One after the other: the suites boot servers, and the machine may have two cores. */
function test(...paths) {
  handOver(process.execPath, [
    join(root, 'node_modules', 'jest', 'bin', 'jest.js'),
    '--runInBand',
    ...paths,
    ...args,
  ])
}

/** Runs `npm ci` when the lockfile is another than the last time. */
function installDependencies() {
  const stamp = join(root, 'node_modules', '.gapless-lock')
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  console.log('Installing the dependencies (npm ci)…')
  const { status } = run('npm', ['ci', '--no-audit', '--no-fund'])
  if (status !== 0) process.exit(status ?? 1)
  writeFileSync(stamp, lock)
}

/** Node 24, which GitHub's runners use, by its path: npx itself would stand between a signal and the program. */
function runnerNode() {
  return execFileSync('npx', ['-y', 'node@24', '-p', 'process.execPath'], {
    cwd: root,
    encoding: 'utf8',
  }).trim()
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
  if (!required) return
  process.exit(1)
}

function run(program, programArgs) {
  return spawnSync(program, programArgs, { cwd: root, stdio: 'inherit' })
}

/** Runs the command itself. A Ctrl-C is the command's to handle: it has things to clean up. */
function handOver(program, programArgs) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  const child = spawn(program, programArgs, { cwd: root, stdio: 'inherit' })
  child.on('exit', (status) => process.exit(status ?? 1))
}
