/**
 * Runs the tests: those that boot servers one after the other, and beside them those that need none. Servers mostly wait,
 * and two of them would make each other late.
 * Fails also when a test left a file or a process behind.
 *
 *   node scripts/test.mjs [jest's arguments]
 */
import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from 'node:fs'
import { setPriority, tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { processesIn, stopProcessesIn } from './processes.mjs'
import { runEnds } from './run-ends.mjs'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const SLOWEST = 10
const suites = ['units', 'servers']

/** All that a test makes goes here. As open as /tmp: some servers run as users of their own. */
const temporary = realpathSync(mkdtempSync(join(tmpdir(), 'gapless-tests-')))
chmodSync(temporary, 0o1777)
const files = join(temporary, 'files')
mkdirSync(files)
chmodSync(files, 0o1777)

const reports = []
let failed = false
if ((await Promise.all(suites.map(runSuite))).includes(false)) failed = true
if (process.env.GAPLESS_TEST_ALL === '1') printSlowest()
failed = reportLeftovers() || failed
rmSync(temporary, { recursive: true, force: true, maxRetries: 5 })

const sum = (member) => reports.reduce((total, report) => total + report[member], 0)
if (sum('numTotalTests') === 0) {
  console.error('No test was found.')
  failed = true
}
for (const pattern of givenPatterns()) {
  if (reports.some(({ testResults }) => testResults.some(({ name }) => name.includes(pattern)))) continue
  console.error(`No test file is called "${pattern}".`)
  failed = true
}
console.log(
  `\n${sum('numPassedTests')} passed, ${sum('numFailedTests')} failed, ${sum('numPendingTests')} skipped`,
)
process.exit(failed ? 1 : 0)

/** The parts of paths among the arguments, each of which must name a test. */
function givenPatterns() {
  const args = process.argv.slice(2)
  return args.filter((arg, index) => !arg.startsWith('-') && args[index - 1] !== '-t')
}

/** @returns whether the suite passed */
async function runSuite(name) {
  const begun = performance.now()
  const report = join(temporary, `${name}.json`)
  const options = [
    '--selectProjects',
    name,
    '--runInBand',
    '--passWithNoTests',
    '--json',
    '--outputFile',
    report,
  ]
  const passed = await runEnds(startJest(name, [...options, ...process.argv.slice(2)]), report)
  if (existsSync(report)) reports.push(JSON.parse(readFileSync(report, 'utf8')))
  console.log(`${name}: ${Math.round((performance.now() - begun) / 1000)} s`)
  return passed
}

function startJest(name, args) {
  const program = join(root, 'node_modules', 'jest', 'bin', 'jest.js')
  // Not in NODE_OPTIONS: the programs that tests start on older versions of Node.js would get them too.
  const flags = [
    '--experimental-vm-modules',
    '--disable-warning=ExperimentalWarning',
    '--import',
    new URL('still-open.mjs', import.meta.url).href,
  ]
  // npm on Node.js 22 and later would keep its compiled code in the temporary folder.
  const env = { ...process.env, TMPDIR: files, NODE_DISABLE_COMPILE_CACHE: '1' }
  // Standard output is the report, which --outputFile writes as well.
  const child = spawn(process.execPath, [...flags, program, ...args], {
    cwd: root,
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  // What the servers answer in time depends on the machine, and the units can wait.
  if (name === 'units' && child.pid !== undefined) setPriority(child.pid, 10)
  const forward = (signal) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, forward)
  return child
}

function printSlowest() {
  const times = reports
    .flatMap(({ testResults }) => testResults)
    .map(({ name, startTime, endTime }) => ({ name, seconds: Math.round((endTime - startTime) / 1000) }))
    .sort((a, b) => b.seconds - a.seconds)
  console.log('\nThe slowest files:')
  for (const { name, seconds } of times.slice(0, SLOWEST))
    console.log(`${String(seconds).padStart(6)} s  ${relative(root, name)}`)
}

/** @returns whether anything was left behind */
function reportLeftovers() {
  const left = readdirSync(files)
  const running = processesIn(temporary)
  if (left.length > 0) console.error(`Left in the temporary folder: ${left.join(', ')}`)
  if (running.length > 0) console.error(`Processes left behind: ${running.join(', ')}`)
  stopProcessesIn(temporary)
  return left.length + running.length > 0
}
