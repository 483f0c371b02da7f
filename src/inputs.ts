/** The only reader of inputs and environment: everything else takes what it needs from one Inputs object. */

import { appName } from './inputs/app-name.ts'
import { parseDotenv } from './inputs/dotenv.ts'
import { type HostAddress, type HostEntry, hostEntry } from './inputs/hosts.ts'
import { nodeOptions } from './inputs/node-options.ts'
import { appPath, binPath, overlap, repositoryPath, sharedPath } from './inputs/paths.ts'
import { InputReader } from './inputs/reader.ts'
import { secretsOf } from './inputs/secrets.ts'
import {
  batchSize,
  type BatchSize,
  boolean,
  duration,
  fingerprint,
  hour,
  httpUrl,
  instances,
  integer,
  knownHosts,
  listenHost,
  memory,
  minute,
  oneOf,
  port,
  releaseId,
  requestPath,
  statusRanges,
  userName,
} from './inputs/values.ts'
import { warningsOf } from './inputs/warnings.ts'

export { appNameFromPackage } from './inputs/app-name.ts'
export type { HostAddress } from './inputs/hosts.ts'
export type { BatchSize } from './inputs/values.ts'

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
  /** Every value to mask in the log. */
  readonly secrets: readonly string[]
  /** What is legal, yet seldom meant: one sentence each. */
  readonly warnings: readonly string[]
}

export interface Login {
  readonly key: string | undefined
  readonly passphrase: string | undefined
  readonly password: string | undefined
  readonly agentSocket: string | undefined
}

export interface HostIdentity {
  /** `known_hosts` text. */
  readonly knownHosts: string | undefined
  /** `SHA256:` and base64 without padding. */
  readonly fingerprints: readonly string[]
}

/** The jump host. Without fingerprints it is checked against `known-hosts`. */
export interface Proxy extends HostAddress {
  /** What to log in with there: its own, or the server's where it has none. */
  readonly login: Login
  readonly fingerprints: readonly string[]
}

export interface AppSettings {
  readonly port: number
  readonly host: string
  readonly instances: number | 'max'
  readonly maxMemoryBytes: number | undefined
  readonly nodeOptions: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Relative to the release, as are the files; none lies in another. */
  readonly sharedDirs: readonly string[]
  readonly sharedFiles: readonly string[]
  readonly observeMs: number
  readonly drainTimeoutMs: number
}

export interface HealthCheck {
  readonly path: string
  /** Inclusive ranges. */
  readonly status: readonly (readonly [number, number])[]
  readonly body: string | undefined
  readonly timeoutMs: number
  readonly intervalMs: number
  readonly url: string | undefined
}

/** The workflow run, as far as the runner tells; a local run has little of it. */
export interface Run {
  readonly workspace: string
  readonly repository: string | undefined
  readonly sha: string | undefined
  readonly ref: string | undefined
  readonly actor: string | undefined
  readonly runUrl: string | undefined
  readonly workflow: string | undefined
  /** Later runs of a workflow have higher numbers; 0 outside of GitHub. */
  readonly runNumber: number
  readonly runAttempt: number
}

const lines = /\n/
const linesOrCommas = /[\n,]/
const linesOrColons = /[\n:]/

const emptySecret =
  'If it comes from a secret, check that the secret exists and is spelled alike: ' +
  'a workflow run from a fork, or by Dependabot, gets empty secrets.'

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
    workingDirectory: reader.value('working-directory', repositoryPath),
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
    run: readRun(env),
  }
  reader.finish()
  return { ...settings, secrets: secretsOf(settings), warnings: warningsOf(settings) }
}

function readHosts(reader: InputReader): readonly HostAddress[] {
  const entries = reader.list('host', hostEntry, linesOrCommas)
  const defaultPort = reader.value('port', port)
  const defaultUsername = reader.optional('username', userName)

  if (reader.text('host') === undefined) {
    reader.missing('Input `host` is required: the server to deploy to', `Set \`host\`. ${emptySecret}`)
  }
  const twice = entries.find((entry, index) =>
    entries.slice(0, index).some((other) => other.host === entry.host && other.port === entry.port),
  )
  if (twice !== undefined) {
    reader.invalid('host', `names ${JSON.stringify(twice.host)} twice: expected each server once`)
  }
  const usernameUnknown = reader.text('username') === undefined
  if (usernameUnknown && entries.some((entry) => entry.username === undefined)) {
    reader.missing(
      'Input `username` is required: the SSH user, unless `host` is written as user@host',
      `Set \`username\` to the user that runs the app. ${emptySecret}`,
    )
  }
  return entries.map((entry) => address(entry, defaultPort, defaultUsername))
}

/** An empty user name has been reported as missing, and never leaves readInputs. */
function address(entry: HostEntry, port: number, username = ''): HostAddress {
  return { host: entry.host, port: entry.port ?? port, username: entry.username ?? username }
}

function readLogin(reader: InputReader, env: NodeJS.ProcessEnv): Login {
  const login = {
    key: reader.verbatim('key'),
    passphrase: reader.password('passphrase'),
    password: reader.password('password'),
    agentSocket: given(env['SSH_AUTH_SOCK']),
  }
  if (login.key === undefined && login.password === undefined && login.agentSocket === undefined) {
    reader.missing(
      'Input `key` is required: a private key to log in with, unless an agent at SSH_AUTH_SOCK or `password` does',
      `Set \`key\` to the text of a private key whose public key the server accepts. ${emptySecret}`,
    )
  }
  return login
}

function readHostIdentity(reader: InputReader): HostIdentity {
  const identity = {
    knownHosts: reader.optional('known-hosts', knownHosts),
    fingerprints: reader.list('fingerprint', fingerprint, linesOrCommas),
  }
  if (reader.text('known-hosts') === undefined && reader.text('fingerprint') === undefined) {
    reader.missing(
      "Input `known-hosts` or `fingerprint` is required: the server's identity, without which anyone could pose as it",
      'Set `fingerprint` to what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the server ' +
        `(SHA256:…), or \`known-hosts\` to the lines of a known_hosts file. ${emptySecret}`,
    )
  }
  return identity
}

const proxyInputs = [
  'proxy-port',
  'proxy-username',
  'proxy-key',
  'proxy-passphrase',
  'proxy-password',
  'proxy-fingerprint',
] as const

function readProxy(
  reader: InputReader,
  target: HostAddress | undefined,
  login: Login,
  identity: HostIdentity,
): Proxy | undefined {
  const entry = reader.optional('proxy-host', hostEntry)
  const proxyPort = reader.optional('proxy-port', port) ?? 22
  const username = reader.optional('proxy-username', userName) ?? target?.username
  const key = reader.verbatim('proxy-key')
  const passphrase = reader.password('proxy-passphrase')
  const password = reader.password('proxy-password')
  const fingerprints = reader.list('proxy-fingerprint', fingerprint, linesOrCommas)

  if (reader.text('proxy-host') === undefined) {
    for (const name of proxyInputs) {
      if (reader.verbatim(name) !== undefined) {
        reader.invalid(name, 'is given without `proxy-host`: expected only together with it')
      }
    }
    return undefined
  }
  if (reader.text('proxy-fingerprint') === undefined && identity.knownHosts === undefined) {
    reader.missing(
      "Input `proxy-fingerprint` is required: the jump host's identity, unless `known-hosts` holds it",
      `Set \`proxy-fingerprint\`, or add the jump host's line to \`known-hosts\`. ${emptySecret}`,
    )
  }
  if (entry === undefined) return undefined
  return {
    ...address(entry, proxyPort, username),
    login: proxyLogin({ key, passphrase, password, agentSocket: undefined }, login),
    fingerprints,
  }
}

/** The jump host sees the server's password only where that is all there is to log in with. */
function proxyLogin(own: Login, server: Login): Login {
  if (own.key !== undefined || own.password !== undefined) return own
  if (server.key === undefined) return server
  return { ...own, key: server.key, passphrase: own.passphrase ?? server.passphrase }
}

function readApp(reader: InputReader): AppSettings {
  const sharedDirs = reader.list('shared-dirs', sharedPath, lines)
  const sharedFiles = reader.list('shared-files', sharedPath, lines)
  const [outer, inner] = overlap([...sharedDirs, ...sharedFiles]) ?? []
  if (outer !== undefined) {
    const name = sharedFiles.includes(inner ?? '') ? 'shared-files' : 'shared-dirs'
    reader.invalid(name, `holds "${inner}", which "${outer}" covers: expected each path once`)
  }
  return {
    port: reader.value('app-port', port),
    host: reader.value('app-host', listenHost),
    instances: reader.value('instances', instances),
    maxMemoryBytes: reader.optional('max-memory', memory),
    nodeOptions: reader.optional('node-options', nodeOptions) ?? [],
    env: readAppEnvironment(reader),
    sharedDirs,
    sharedFiles,
    observeMs: reader.value('observe', duration({ atMost: 10 * minute })),
    drainTimeoutMs: reader.value('drain-timeout', duration({ atMost: hour })),
  }
}

/** Inputs of their own set these, and everything else relies on their values. */
const reserved = { PORT: 'app-port', HOSTNAME: 'app-host' } as const

function readAppEnvironment(reader: InputReader): Readonly<Record<string, string>> {
  const { values, problems } = parseDotenv(reader.verbatim('env') ?? '')
  for (const problem of problems) {
    reader.invalid('env', `cannot be read at line ${problem.line}: expected ${problem.expected}`)
  }
  for (const [key, input] of Object.entries(reserved)) {
    if (Object.hasOwn(values, key)) reader.invalid('env', `sets ${key}: expected in \`${input}\` instead`)
  }
  return values
}

function readHealthCheck(reader: InputReader): HealthCheck {
  return {
    path: reader.value('health-check-path', requestPath),
    status: reader.value('health-check-status', statusRanges),
    body: reader.text('health-check-body'),
    timeoutMs: reader.value('health-check-timeout', duration({ atLeast: 1, atMost: hour })),
    intervalMs: reader.value('health-check-interval', duration({ atLeast: 10, atMost: 10 * minute })),
    url: reader.optional('health-check-url', httpUrl),
  }
}

function readRun(env: NodeJS.ProcessEnv): Run {
  const repository = given(env['GITHUB_REPOSITORY'])
  const runId = given(env['GITHUB_RUN_ID'])
  const server = given(env['GITHUB_SERVER_URL']) ?? 'https://github.com'
  return {
    workspace: given(env['GITHUB_WORKSPACE']) ?? process.cwd(),
    repository,
    sha: given(env['GITHUB_SHA']),
    ref: given(env['GITHUB_REF']),
    actor: given(env['GITHUB_ACTOR']),
    runUrl: repository && runId ? `${server}/${repository}/actions/runs/${runId}` : undefined,
    workflow: given(env['GITHUB_WORKFLOW']),
    runNumber: Number(given(env['GITHUB_RUN_NUMBER']) ?? 0),
    runAttempt: Number(given(env['GITHUB_RUN_ATTEMPT']) ?? 1),
  }
}

function given(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
