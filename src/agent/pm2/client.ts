/**
 * PM2 through the installed package's own client, not its command line: the commands exit with 0 whatever
 * happens (5, 6, 7), reload two workers at a time, and take a second each.
 */
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join, relative } from 'node:path'
import { failure } from '../../common/errors/server.ts'
import { formatLimit } from '../../common/format.ts'
import { withTimeout } from '../../common/timeout.ts'
import type { Failure } from '../../common/failure.ts'
import { writeFileAtomic } from '../system/files.ts'
import type { InstalledPm2 } from './find.ts'
import { daemonPid } from './daemon.ts'
import { mendPidFile, startingAlone, unlessMute } from './daemon-start.ts'
import { isRunning } from '../system/processes.ts'
import { startTimeOf } from '../../common/process-identity.ts'

/** A process of PM2's list. */
export interface Pm2Process {
  readonly id: number
  readonly name: string
  readonly pid: number
  readonly status: string
  readonly restarts: number
  readonly memoryBytes: number
  readonly script: string
  readonly cwd: string
  readonly mode: string
  readonly errorLog: string
  readonly outLog: string
  /** Everything that PM2 keeps of the process: enough to start it again. */
  readonly definition: Readonly<Record<string, unknown>>
}

/** What PM2 keeps of the app. Everything else belongs to the release. */
export interface Pm2App {
  readonly name: string
  /** Absolute, through `current`: PM2 keeps the path unresolved, so that a reload runs the new release. */
  readonly script: string
  readonly cwd: string
  readonly options: Pm2Options
}

/** Options that take effect with a reload; null removes one (seen in 7.0.4: `current_conf`). */
export interface Pm2Options {
  readonly wait_ready: true
  /** How long PM2 keeps the old worker while the new one starts, in ms: the window for a restore. */
  readonly listen_timeout: number
  /** How long the old worker may drain before SIGKILL, in ms. */
  readonly kill_timeout: number
  readonly max_memory_restart: number | null
  readonly node_args: readonly string[]
  /**
   * PM2 uses the thread pool, which fixes its size, before it loads the app (5.4 to 7), and sets what it keeps of the
   * app as variables before that. The release's `env` comes too late.
   */
  readonly UV_THREADPOOL_SIZE: string | null
}

export interface Pm2 {
  /** Of all apps of the user. */
  all(): Promise<readonly Pm2Process[]>
  /** The file of PM2's package that the daemon was started with; null where it does not say. */
  program(): Promise<string | null>
  list(name: string): Promise<readonly Pm2Process[]>
  /** Starts the app with one worker. Resolves when the worker is ready, or when PM2 stopped waiting. */
  start(app: Pm2App): Promise<void>
  /** Starts one more worker like this one. */
  duplicate(id: number): Promise<void>
  /**
   * Replaces one worker. Resolves when the old one has drained. The daemon finishes a reload without its
   * client.
   */
  reload(id: number, options: Pm2Options): Promise<void>
  /** Whether the old worker of a replaced one is still draining: PM2 has one place for it until then. */
  isReplacing(id: number): Promise<boolean>
  restart(id: number, options: Pm2Options): Promise<void>
  stop(id: number): Promise<void>
  remove(id: number): Promise<void>
  /** Starts a removed process again as it was, the way `pm2 resurrect` does. */
  revive(process: Pm2Process): Promise<void>
  /**
   * Writes PM2's dump, from which `pm2 resurrect` starts the app after a reboot, as `pm2 save` does (5.4 to 7),
   * completely or not at all. On a full disk `pm2 save` empties the file and ends the calling process (7.0.4).
   */
  save(): Promise<void>
  close(): void
}

export function pm2Home(): string {
  return process.env['PM2_HOME'] ?? join(homedir(), '.pm2')
}

/** The process that the client is connected to. */
interface Daemon {
  readonly pid: number
  readonly startTime: string
}

type Environment = Readonly<Record<string, unknown>> | undefined

interface Client {
  connect(callback: (error: unknown) => void): void
  disconnect(): void
  start(options: object, callback: Done<void>): void
  Client: {
    executeRemote(
      method: string,
      parameters: unknown,
      callback: (error: unknown, result: unknown) => void,
    ): void
  }
}

interface ConnectOptions {
  /**
   * Start a daemon where none runs. The caller's environment must be clean then: the daemon keeps it for ever.
   */
  readonly mayStart: boolean
}

/** Connects to the user's daemon. @throws Failure `pm2-failed`, `pm2-foreign` */
export async function connectPm2(
  installed: InstalledPm2,
  home: string,
  { mayStart }: ConnectOptions = { mayStart: true },
): Promise<Pm2> {
  // PM2 makes its sockets writable for the user's group (0775, 5.4 to 7), and whoever may write there
  // controls the daemon. An existing folder may be shared on purpose.
  mkdirSync(home, { recursive: true, mode: 0o700 })
  // PM2 reads this when it is loaded.
  process.env['PM2_HOME'] = home
  const client = createRequire(join(installed.path, 'package.json'))(installed.path) as Client

  const attach = async (): Promise<Daemon> => {
    for (let tries = 1; ; tries += 1) {
      try {
        if (!mayStart && (await daemonPid(home)) === null) throw noDaemon(home)
        const connected = promised('connect', (done: Done<void>) => client.connect(done))
        const late = () => failure('pm2-failed: no answer')
        await unlessMute(home, withTimeout(connected, CONNECT_TIMEOUT, late))
        const pid = await daemonPid(home)
        // A dying daemon still accepts connections, and never answers.
        if (pid === null) throw noDaemon(home)
        if (mayStart) await mendPidFile(home, pid)
        return { pid, startTime: startTimeOf(pid) ?? '' }
      } catch (error) {
        if (tries === CONNECT_TRIES) throw error
        client.disconnect()
      }
    }
  }
  const connect = () => (mayStart ? startingAlone(home, attach) : attach())
  let daemon = await connect()
  const lives = () => isRunning(daemon.pid, daemon.startTime)
  /** A daemon that dies takes all workers with it and never answers: the next call starts another. */
  let reconnecting: Promise<void> | undefined
  const reconnect = async () => {
    client.disconnect()
    daemon = await connect()
  }
  /** @param patience how long the daemon may take for the request, in ms */
  const ask = async <T>(what: string, patience: number, call: (done: Done<T>) => void): Promise<T> => {
    if (reconnecting !== undefined || !lives()) {
      // Once for all concurrent requests, or each would start a daemon.
      reconnecting ??= reconnect().finally(() => (reconnecting = undefined))
      await reconnecting
    }
    const answer = whileItLives(promised(what, call), lives)
    return withTimeout(answer, patience, () => isStuck(what, patience, daemon.pid))
  }
  const remote = (method: string, parameters: unknown, patience = PATIENCE): Promise<unknown> =>
    ask(method, patience, (done) => client.Client.executeRemote(method, parameters, done))
  /** Requests that start or stop workers take as long as the timeouts of the options allow. */
  let longest = 0
  const slow = (...options: readonly Partial<Pm2Options>[]): number => {
    longest = Math.max(longest, ...options.map(timeouts))
    return longest + PATIENCE
  }

  const environments = new Map<number, Environment>()
  const conf = (id: number, options: Pm2Options) => ({
    id,
    env: { current_conf: toConf(options, environments.get(id)) },
  })

  const all = async (): Promise<readonly Pm2Process[]> => {
    const processes = await remote('getMonitorData', {})
    if (!Array.isArray(processes)) throw failure('pm2-failed: no list')
    const found = (processes as (RawProcess | null)[]).flatMap((raw) =>
      raw?.pm2_env ? [toProcess(raw)] : [],
    )
    for (const { id, definition } of found) environments.set(id, definition['env'] as Environment)
    return found
  }

  return {
    all,
    async program() {
      const { argv } = (await remote('getReport', {})) as { readonly argv?: readonly unknown[] }
      return typeof argv?.[1] === 'string' ? argv[1] : null
    },
    async list(name) {
      const found = (await all()).filter((process) => process.name === name)
      slow(...found.map(({ definition }) => definition))
      return found
    },
    async start({ name, script, cwd, options }) {
      const { max_memory_restart, node_args, UV_THREADPOOL_SIZE, ...rest } = options
      await ask('start', slow(options), (done: Done<void>) =>
        client.start(
          {
            name,
            // PM2 takes a script with a space in it for a command line, and hands it to bash (seen in 5.4 to
            // 7.0.4).
            script: relative(cwd, script),
            cwd,
            ...rest,
            node_args: [...node_args],
            ...(max_memory_restart === null ? {} : { max_memory_restart }),
            exec_mode: 'cluster',
            instances: 1,
            // Looking for git in a release's folder is useless and costs a process (PM2's `vizion`).
            vizion: false,
            // When PM2 starts an app, it takes variables from nowhere else (5.4 to 7).
            env: UV_THREADPOOL_SIZE === null ? {} : { UV_THREADPOOL_SIZE },
          },
          done,
        ),
      )
    },
    duplicate: async (id) => void (await remote('duplicateProcessId', id, slow())),
    reload: async (id, options) => void (await remote('reloadProcessId', conf(id, options), slow(options))),
    // Signal 0 reaches nobody: the answer tells whether PM2 knows the process (5.4 to 7 omit it from their list).
    isReplacing: (id) =>
      remote('sendSignalToProcessId', { process_id: `_old_${id}`, signal: 0 }).then(
        () => true,
        (error: unknown) => {
          const { cause } = error as Failure
          // Only PM2's own answer tells.
          if (cause === undefined) throw error
          return !/id unknown/.test(messageOf(cause))
        },
      ),
    restart: async (id, options) => void (await remote('restartProcessId', conf(id, options), slow(options))),
    stop: async (id) => void (await remote('stopProcessId', id, slow())),
    remove: async (id) => void (await remote('deleteProcessId', id, slow())),
    revive: async ({ definition }) => {
      const { instances: _, pm_id: __, ...rest } = definition
      await remote('prepare', rest, slow(definition))
    },
    async save() {
      const processes = (await remote('getMonitorData', {})) as readonly RawProcess[]
      const dump = processes.flatMap(({ pm2_env = {} }) => {
        const { instances: _, pm_id: __, prev_restart_delay: ___, ...rest } = pm2_env
        // A stopping process would be started at the next boot: PM2 skips only `stopped` (5.4 to 7).
        return rest['pmx_module'] || rest['status'] === 'stopping' ? [] : [rest]
      })
      if (dump.length === 0) throw failure('pm2-failed: nothing to save')
      await writeFileAtomic(join(home, 'dump.pm2'), JSON.stringify(dump, null, 2), 0o600)
    },
    close: () => client.disconnect(),
  }
}

/** Whether PM2 started the process with these options for the process itself. */
export function runsUnder(
  { definition }: Pm2Process,
  { node_args, max_memory_restart, UV_THREADPOOL_SIZE }: Pm2Options,
): boolean {
  const {
    node_args: kept = [],
    max_memory_restart: limit = null,
    UV_THREADPOOL_SIZE: threads = null,
  } = definition
  const isSame = limit === max_memory_restart && threads === UV_THREADPOOL_SIZE
  return isSame && JSON.stringify(kept) === JSON.stringify(node_args)
}

/**
 * PM2 removes an option whose new value is the text "null" (`Utility.extendMix`, seen in 5.4 to 7).
 * @param env the variables that the app was started with, as far as they are known: PM2 lays them over its options
 */
function toConf(options: Pm2Options, env: Readonly<Record<string, unknown>> = {}): object {
  const { UV_THREADPOOL_SIZE: outdated, ...others } = env
  return {
    ...options,
    max_memory_restart: options.max_memory_restart ?? 'null',
    UV_THREADPOOL_SIZE: options.UV_THREADPOOL_SIZE ?? 'null',
    ...(outdated === undefined ? {} : { env: others }),
  }
}

type Done<T> = (error: unknown, result?: T) => void

const LOOK = 500

/** A daemon takes a second or two to start, in ms. */
const CONNECT_TIMEOUT = 20_000
const CONNECT_TRIES = 3

/** An idle daemon answers at once, and a busy one within this, in ms. */
const PATIENCE = 30_000

/**
 * How long PM2 may wait for a worker to be ready, and then for another to drain, in ms. Its own defaults are
 * shorter.
 */
function timeouts({ listen_timeout, kill_timeout }: { readonly [name: string]: unknown }): number {
  // In other people's processes it may be anything; Node takes no timer above 2^31 ms.
  const number = (value: unknown) => (typeof value === 'number' && value > 0 ? Math.min(value, 2 ** 29) : 0)
  return number(listen_timeout) + number(kill_timeout)
}

function noDaemon(home: string): Failure {
  return failure('pm2-failed: no daemon', { home })
}

/** A daemon that is stopped or in an endless loop would block an activation, and with it its lock. */
function isStuck(what: string, patience: number, daemon: number): Failure {
  return failure('pm2-failed: stuck', { daemon, request: what, limit: formatLimit(patience) })
}

/** Settles as `answer` does, or rejects once `lives` returns false: a dead daemon never answers. */
function whileItLives<T>(answer: Promise<T>, lives: () => boolean): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      if (lives()) return
      clearInterval(timer)
      reject(failure('pm2-failed: died'))
    }, LOOK)
    answer.then(resolve, reject).finally(() => clearInterval(timer))
  })
}

function promised<T>(what: string, call: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error === null || error === undefined) resolve(result as T)
      else reject(failure('pm2-failed', { request: what, problem: messageOf(error) }, { cause: error }))
    })
  })
}

function messageOf(error: unknown): string {
  const source = Array.isArray(error) ? error[0] : error
  if (source instanceof Error) return source.message
  const { message, msg } = (source ?? {}) as { message?: unknown; msg?: unknown }
  return String(message ?? msg ?? source)
}

interface RawProcess {
  readonly pid?: number
  readonly pm_id?: number
  readonly monit?: { readonly memory?: number }
  readonly pm2_env?: Readonly<Record<string, unknown>>
}

function toProcess(raw: RawProcess): Pm2Process {
  const env = raw.pm2_env ?? {}
  const text = (name: string) => (typeof env[name] === 'string' ? env[name] : '')
  // A value of another type may have a conversion of its own, which may throw.
  const number = (value: unknown) =>
    typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN
  return {
    id: number(raw.pm_id ?? env['pm_id']),
    name: text('name'),
    pid: raw.pid ?? 0,
    status: text('status') || 'unknown',
    restarts: number(env['restart_time'] ?? 0),
    memoryBytes: raw.monit?.memory ?? 0,
    script: text('pm_exec_path'),
    cwd: text('pm_cwd'),
    mode: text('exec_mode'),
    errorLog: text('pm_err_log_path'),
    outLog: text('pm_out_log_path'),
    definition: env,
  }
}
