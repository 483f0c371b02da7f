/** The only reader of inputs and environment: everything else takes what it needs from one Inputs object. */

import { appName } from './app-name.ts'
import { type AppSettings, type HealthCheck, readApp, readHealthCheck } from './app.ts'
import type { HostAddress } from './hosts.ts'
import { dotenvDoubts } from './next-dotenv.ts'
import { appPath, binPath, repositoryPath } from './paths.ts'
import { InputReader } from './reader.ts'
import { readRun, type Run } from './run.ts'
import {
  type HostIdentity,
  type Login,
  type Proxy,
  readHostIdentity,
  readHosts,
  readLogin,
  readProxy,
} from './server.ts'
import {
  batchSize,
  type BatchSize,
  boolean,
  duration,
  hour,
  integer,
  minute,
  oneOf,
  releaseId,
} from './values.ts'
import { warningsOf } from './warnings.ts'

export { appNameFromPackage } from './app-name.ts'
export type { HostAddress } from './hosts.ts'
export { maskingOf } from './secrets.ts'
export type { BatchSize } from './values.ts'

const linesOrColons = /[\n:]/

export interface Inputs {
  readonly command: 'deploy' | 'rollback' | 'status'
  /** Rollback only: the release to go back to. */
  readonly release: string | undefined
  readonly dryRun: boolean
  /** At least one. */
  readonly hosts: readonly HostAddress[]
  readonly login: Login
  /** At least one of the two holds something. */
  readonly hostIdentity: HostIdentity
  readonly proxy: Proxy | undefined
  readonly connectTimeoutMs: number
  /** Absolute, or relative to the user's home; undefined stands for `apps/<app name>`. */
  readonly path: string | undefined
  /** PM2's name for the app; undefined stands for `appNameFromPackage`. */
  readonly appName: string | undefined
  /** Absolute, or beginning with `~/`. */
  readonly binPath: readonly string[]
  /** Relative to the workspace. */
  readonly workingDirectory: string
  /** A command, or `none` to skip the step. */
  readonly installCommand: string | undefined
  /** A command, or `none` to skip the step. */
  readonly buildCommand: string | undefined
  readonly app: AppSettings
  readonly health: HealthCheck
  readonly candidateCheck: boolean
  readonly preActivate: string | undefined
  readonly postActivate: string | undefined
  /** 0: do not wait. */
  readonly lockTimeoutMs: number
  readonly keepReleases: number
  /** How many hosts switch at once, after the first. */
  readonly batch: BatchSize
  /** How many hosts are connected to, sent to and verified at once. */
  readonly maxParallel: number
  readonly run: Run
  /** What is legal, yet seldom meant: one sentence each. */
  readonly warnings: readonly string[]
}

/**
 * Reads and checks every input.
 *
 * @throws Failure `missing-input` or `invalid-input`; when several inputs are at fault its message
 *   lists every one of them, and its code is the common one, else `invalid-input`
 */
export function readInputs(env: NodeJS.ProcessEnv): Inputs {
  const reader = new InputReader(env)
  const command = reader.value('command', oneOf('deploy', 'rollback', 'status'))
  const release = reader.optional('release', releaseId)
  if (release !== undefined && command !== 'rollback') {
    reader.invalid('release', `is given with the command ${command}: expected only with command: rollback`)
  }
  const hosts = readHosts(reader)
  const login = readLogin(reader, env)
  const hostIdentity = readHostIdentity(reader)
  const run = readRun(env)
  const settings = {
    command,
    release,
    dryRun: reader.value('dry-run', boolean),
    hosts,
    login,
    hostIdentity,
    proxy: readProxy(reader, hosts[0], login, hostIdentity),
    connectTimeoutMs: reader.value('connect-timeout', duration({ atLeast: 1, atMost: 10 * minute })),
    path: reader.optional('path', appPath),
    appName: reader.optional('app-name', appName),
    binPath: reader.list('bin-path', binPath, linesOrColons),
    workingDirectory: reader.value('working-directory', repositoryPath(run.workspace)),
    installCommand: reader.text('install-command'),
    buildCommand: reader.text('build-command'),
    app: readApp(reader),
    health: readHealthCheck(reader),
    candidateCheck: reader.value('candidate-check', boolean),
    preActivate: reader.text('pre-activate'),
    postActivate: reader.text('post-activate'),
    lockTimeoutMs: reader.value('lock-timeout', duration({ atMost: 6 * hour })),
    keepReleases: reader.value('keep-releases', integer(1, 1000)),
    batch: reader.value('batch', batchSize),
    maxParallel: reader.value('max-parallel', integer(1, 100)),
    run,
  }
  reader.finish()
  return { ...settings, warnings: [...warningsOf(settings), ...dotenvDoubts(reader.verbatim('env') ?? '')] }
}
