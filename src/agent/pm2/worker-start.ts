/**
 * What a worker starts with. PM2's daemon forks it, so it inherits the daemon's own environment, folder, umask and
 * limits, whatever session started the daemon (PM2 5 to 7). A candidate that starts in another way proves nothing.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cleanEnvironment } from '../system/environment.ts'
import { daemonPid } from './daemon.ts'

export interface WorkerStart {
  readonly node: string
  /** The folder in which Node starts, and looks for what `--require` and `--import` name. PM2 changes it afterwards. */
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
  /** Shell commands that set umask and limits. */
  readonly limits: string
}

/**
 * @param base where the daemon will be started if none runs
 * @param kept what PM2 keeps of the app; null where it has none that a release could replace
 */
export async function workerStart(
  base: string,
  pm2Home: string,
  kept: Readonly<Record<string, unknown>> | null,
): Promise<WorkerStart> {
  const daemon = await daemonPid(pm2Home)
  const start = (daemon === null ? null : inherited(daemon)) ?? {
    node: process.execPath,
    cwd: base,
    env: {},
    limits: '',
  }
  // PM2 keeps the environment of the activation that first started the app, and lays it over the daemon's.
  const laidOver = kept === null ? { ...cleanEnvironment(), PM2_HOME: pm2Home } : environmentKept(kept)
  return { ...start, env: { ...start.env, ...laidOver } }
}

/**
 * Node has started when PM2 sets the first, the second is an option of the release that PM2 runs now, and what tells a
 * worker that it is one is not the candidate's.
 */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'NODE_OPTIONS',
  'UV_THREADPOOL_SIZE',
  'NODE_APP_INSTANCE',
  'pm_id',
])

function environmentKept(definition: Readonly<Record<string, unknown>>): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(definition).flatMap(([name, value]) =>
      typeof value === 'string' && !NOT_KEPT.has(name) ? [[name, value]] : [],
    ),
  )
}

/** Null where the daemon has just ended. */
function inherited(daemon: number): WorkerStart | null {
  const of = (name: string) => `/proc/${daemon}/${name}`
  try {
    const node = readlinkSync(of('exe'))
    return {
      // A Node that was updated under a running daemon is gone.
      node: node.endsWith(' (deleted)') ? process.execPath : node,
      // The link itself: it leads into a folder that was removed, too.
      cwd: of('cwd'),
      env: environmentIn(readFileSync(of('environ'), 'utf8')),
      limits: [
        ...umaskIn(readFileSync(of('status'), 'utf8')),
        ...changedLimits(readFileSync('/proc/self/limits', 'utf8'), readFileSync(of('limits'), 'utf8')),
      ].join('\n'),
    }
  } catch {
    return null
  }
}

/** The channel to whoever started the daemon, which Node takes out of the environment. */
const CHANNEL = /^NODE_CHANNEL_/

function environmentIn(environ: string): NodeJS.ProcessEnv {
  const pairs = environ.split('\0').map((pair) => {
    const at = pair.indexOf('=')
    return [pair.slice(0, at), pair.slice(at + 1)] as const
  })
  return Object.fromEntries(pairs.filter(([name]) => name !== '' && !CHANNEL.test(name)))
}

function umaskIn(status: string): readonly string[] {
  const umask = /^Umask:\s+([0-7]+)$/m.exec(status)?.[1]
  return umask === undefined ? [] : [`umask ${umask}`]
}

/** By the kernel's names: how every shell's `ulimit` calls them, and in how many bytes it counts. */
const LIMITS: Readonly<Record<string, readonly [flag: string, unit: number]>> = {
  'Max open files': ['n', 1],
  'Max address space': ['v', 1024],
  'Max data size': ['d', 1024],
  'Max stack size': ['s', 1024],
  'Max file size': ['f', 512],
  'Max core file size': ['c', 512],
}

/** A limit that this session may not raise stays as it is. */
export function changedLimits(own: string, wanted: string): readonly string[] {
  const before = limitsIn(own)
  return [...limitsIn(wanted)].flatMap(([name, { soft, hard }]) => {
    const { soft: ownSoft, hard: ownHard } = before.get(name) ?? {}
    const [flag, unit] = LIMITS[name]!
    const set = (kind: string, value: string) =>
      `ulimit -${kind} -${flag} ${value === 'unlimited' ? value : Math.floor(Number(value) / unit)} 2>/dev/null || :`
    return [...(soft === ownSoft ? [] : [set('S', soft)]), ...(hard === ownHard ? [] : [set('H', hard)])]
  })
}

function limitsIn(text: string) {
  const lines = [...text.matchAll(/^(Max [a-z ]+?) {2,}(\d+|unlimited) +(\d+|unlimited)/gm)]
  return new Map(
    lines.flatMap(([, name = '', soft = '', hard = '']) =>
      name in LIMITS ? [[name, { soft, hard }] as const] : [],
    ),
  )
}

/**
 * `node-options` as arguments. A path that begins with `./` or `../` is relative to the app's folder: Node
 * would look for it in the folder where PM2's daemon happened to be started.
 * @param release its folder, or the link to it
 * @param entry the release's server.js, relative to the release
 */
export function nodeArguments(
  nodeOptions: readonly string[],
  release: string,
  entry: string,
): readonly string[] {
  return nodeOptions.map((word) =>
    word.replace(
      /^(--?[\w-]+=)?(\.\.?(?:\/.*)?)$/s,
      (_, flag: string | undefined, path: string) => `${flag ?? ''}${join(release, dirname(entry), path)}`,
    ),
  )
}
