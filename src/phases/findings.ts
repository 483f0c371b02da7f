/** check's rows, from what a plain shell tells: pure. */
import { type Check, doubt, fail, ok } from '../common/check.ts'
import { formatBytes } from '../common/format.ts'
import { fitsNext, machineOf, type Probe, type Program, usableNode, usablePm2 } from '../hosts/probe.ts'
import type { NodeNeed } from '../next/node-need.ts'
import { satisfies } from '../next/version-range.ts'
import { proxyKeepAlive } from './proxy-keep-alive.ts'

export interface Wanted {
  /** How many workers run at once while a release is replaced. */
  readonly workers: number
  /** The runner's clock, in ms since 1970. */
  readonly now: number
  readonly port: number
  /** What the app asks of Node; empty: unknown. */
  readonly nodeNeeds: readonly NodeNeed[]
}

const WORKER_BYTES = 128 * 2 ** 20
const LEAST_DISK = 200 * 2 ** 20
const LITTLE_DISK = 1024 * 2 ** 20
const LEAST_INODES = 10_000
/** In ms: release ids and GitHub's times are compared. */
const CLOCK = 60_000
const LEAST_FILES = 1024

const RUN_SETUP = 'Run `command: setup`.'

export function findings(probe: Probe, wanted: Wanted): readonly Check[] {
  return [
    system(probe),
    home(probe),
    node(probe, wanted.nodeNeeds),
    pm2(probe),
    machine(probe),
    ...disk(probe),
    memory(probe, wanted.workers),
    boot(probe),
    limits(probe),
    clock(probe, wanted.now),
    ...proxyKeepAlive(probe.proxy, wanted.port),
  ]
}

function system({ system: name, user, isRoot, shell }: Probe): Check {
  const value = `${name}, user ${user}, shell ${shell || 'unknown'}`
  if (name !== 'Linux') return fail('System', value, 'Deploy to a Linux server.')
  return isRoot
    ? doubt('System', value, 'Deploy as a user of its own: the app runs as the user that logs in.')
    : ok('System', value)
}

function home({ home: path, homeWritable, homeMount }: Probe): Check {
  if (path === '' || !homeWritable) {
    return fail(
      'Home',
      `${path || 'none'} is not writable`,
      'As root, run `chown` on the home for the user that logs in.',
    )
  }
  return homeMount.includes('noexec')
    ? doubt(
        'Home',
        `${path}, where programs may not run (noexec)`,
        'Install Node.js and PM2 outside of the home, or mount the home without `noexec`.',
      )
    : ok('Home', path)
}

function node(probe: Probe, needs: readonly NodeNeed[]): Check {
  const found = usableNode(probe)
  const remedy = probe.libc === 'musl' ? MUSL : RUN_SETUP
  if (found === null) {
    const seen = probe.nodes.map(
      ({ path, version }) => `${path} (${version === '' ? 'does not run' : `${version} is too old`})`,
    )
    return fail('Node.js', seen.length === 0 ? 'not found' : seen.join(', '), remedy)
  }
  return nodeRow(found, needs, remedy)
}

export function nodeRow({ version, path }: Program, needs: readonly NodeNeed[], remedy = RUN_SETUP): Check {
  const value = `${version} (${path})`
  const unmet = needs.find(({ range }) => satisfies(version, range) === false)
  if (unmet !== undefined) return fail('Node.js', `${value}; ${unmet.who} needs ${unmet.range}`, remedy)
  return needs.length > 0 || fitsNext(version)
    ? ok('Node.js', value)
    : doubt('Node.js', `${value}; Next.js 16 needs 20.9`, remedy)
}

/** The registry has no Node for musl. */
export const MUSL = 'As root, run `apk add nodejs npm`: setup cannot bring Node.js to a system with musl.'

function pm2(probe: Probe): Check {
  const found = usablePm2(probe)
  if (found !== null) return ok('PM2', `${found.version} (${found.path})`)
  const seen = probe.pm2.map(({ path, version, node: beside }) =>
    beside === '' ? `${path} (${version || 'no package'})` : `${path} (beside Node ${beside})`,
  )
  return fail('PM2', seen.length === 0 ? 'not found' : `${seen.join(', ')}: none that can be used`, RUN_SETUP)
}

function machine({ machine: name, libc, libcVersion, cpuFlags }: Probe): Check {
  const level = cpuFlags.length === 0 ? '' : cpuFlags.includes('sse4_2') ? ', x86-64-v2' : ', below x86-64-v2'
  const value = `${name}, ${libc}${libcVersion === '' ? '' : ` ${libcVersion}`}${level}`
  if (machineOf(name) === null) return doubt('Machine', value, 'Build on a runner of the same architecture.')
  if (libc === 'musl') {
    return doubt('Machine', value, 'Build native modules, such as sharp, in a job with an Alpine container.')
  }
  return level.includes('below')
    ? doubt('Machine', value, 'sharp needs x86-64-v2: without sharp, images are not optimized.')
    : ok('Machine', value)
}

function disk({ freeBytes, freeInodes }: Probe): readonly Check[] {
  const remedy = 'Free disk space on the server, or lower `keep-releases`.'
  const bytes = freeBytes ?? Infinity
  const value = freeBytes === null ? 'unknown' : `${formatBytes(freeBytes)} free`
  const space =
    bytes < LEAST_DISK
      ? fail('Disk', value, remedy)
      : bytes < LITTLE_DISK
        ? doubt('Disk', value, remedy)
        : ok('Disk', value)
  if (freeInodes === null) return [space]
  const inodes = `${freeInodes} free`
  return [space, freeInodes < LEAST_INODES ? fail('Inodes', inodes, remedy) : ok('Inodes', inodes)]
}

function memory({ freeMemory }: Probe, workers: number): Check {
  const need = workers * WORKER_BYTES
  const value = `${freeMemory === null ? 'unknown' : `${formatBytes(freeMemory)} free`}; ${workers} more workers take about ${formatBytes(need)}`
  return freeMemory !== null && freeMemory < need
    ? doubt('Memory', value, 'Lower `instances`, or give the server more memory or swap.')
    : ok('Memory', value)
}

function boot({ boot: by, bootLacks }: Probe): Check {
  if (bootLacks !== '')
    return doubt('Start at boot', `${by} runs ${bootLacks}, which is not there`, RUN_SETUP)
  return by === '' ? doubt('Start at boot', 'nothing starts PM2', RUN_SETUP) : ok('Start at boot', by)
}

function limits({ openFiles, processes }: Probe): Check {
  const value = `${openFiles || 'unknown'} open files, ${processes || 'unknown'} processes`
  return Number(openFiles) < LEAST_FILES
    ? doubt('Limits', value, 'Raise `nofile` for the user in /etc/security/limits.conf.')
    : ok('Limits', value)
}

function clock({ clock: theirs }: Probe, now: number): Check {
  const seconds = Math.round(Math.abs(theirs - now) / 1000)
  const value = `${seconds} s from the runner's`
  return seconds * 1000 > CLOCK
    ? doubt('Clock', value, 'Switch time synchronization on: `timedatectl set-ntp true`.')
    : ok('Clock', value)
}
