import { appName } from './app-name.ts'
import { hostEntry } from './hosts.ts'
import { nodeOptions } from './node-options.ts'
import { appPath, binPath, repositoryPath, sharedPath } from './paths.ts'
import { list, optional, password, privateKey, type Row, text, withDefault } from './row.ts'
import {
  advisory,
  batchSize,
  boolean,
  day,
  duration,
  environmentName,
  fingerprint,
  hour,
  httpUrl,
  instances,
  integer,
  knownHosts,
  listenHost,
  memory,
  minute,
  nodeVersion,
  oneOf,
  port,
  previewName,
  publicUrl,
  releaseId,
  requestOrigin,
  requestPath,
  statusRanges,
  userName,
} from './values.ts'

const lines = /\n/
const linesOrCommas = /[\n,]/
const linesOrColons = /[\n:]/

/**
 * Every input: a new one is a row here, its description in action.yml, and its use. Durations are in milliseconds.
 *
 * The defaults are action.yml's, which a runner fills in by itself and a local run does not. `proxy-port`, `app-port`
 * and `app-host` have theirs where they are used: with one in action.yml they would always look given.
 */
export const table = {
  command: withDefault(
    'deploy',
    oneOf('deploy', 'rollback', 'status', 'stage', 'promote', 'preview', 'preview-remove', 'check', 'setup'),
  ),
  release: optional(releaseId),
  'dry-run': withDefault('false', boolean),

  host: list(linesOrCommas, hostEntry),
  port: withDefault('22', port),
  username: optional(userName),
  key: privateKey,
  passphrase: password,
  password,
  'known-hosts': optional(knownHosts),
  fingerprint: list(linesOrCommas, fingerprint),
  'proxy-host': optional(hostEntry),
  'proxy-port': optional(port),
  'proxy-username': optional(userName),
  'proxy-key': privateKey,
  'proxy-passphrase': password,
  'proxy-password': password,
  'proxy-fingerprint': list(linesOrCommas, fingerprint),
  'connect-timeout': withDefault('30s', duration({ atLeast: 1, atMost: 10 * minute })),

  /** Absolute, or relative to the user's home. */
  path: optional(appPath),
  'app-name': optional(appName),
  /** Absolute, or beginning with `~/`, as only the server knows the home. */
  'bin-path': list(linesOrColons, binPath),
  /** Relative to the workspace. */
  'working-directory': withDefault('.', repositoryPath),
  /** Of the Node that setup brings. */
  'node-version': withDefault('24', nodeVersion),
  /** `none` skips the step. */
  'install-command': text,
  'build-command': text,
  'allow-vulnerable': list(linesOrCommas, advisory),

  'app-port': optional(port),
  'app-host': optional(listenHost),
  /** 0 stands for one per CPU core. */
  instances: withDefault('2', instances),
  /** Bytes. */
  'max-memory': optional(memory),
  'node-options': optional(nodeOptions),
  env: text,
  'shared-dirs': list(lines, sharedPath),
  'shared-files': list(lines, sharedPath),
  'share-cache': withDefault('true', boolean),

  'health-check-path': withDefault('/', requestPath),
  'health-check-status': withDefault('200-399', statusRanges),
  'health-check-body': text,
  'health-check-timeout': withDefault('60s', duration({ atLeast: 1, atMost: hour })),
  'health-check-interval': withDefault('1s', duration({ atLeast: 10, atMost: 10 * minute })),
  /** Requested from the runner. */
  'health-check-url': optional(httpUrl),
  'health-check-host': optional(requestOrigin),
  'candidate-check': withDefault('true', boolean),
  'test-command': text,
  'test-timeout': withDefault('10m', duration({ atLeast: 1, atMost: 6 * hour })),
  observe: withDefault('5s', duration({ atMost: 10 * minute })),
  'drain-timeout': withDefault('30s', duration({ atMost: hour })),
  /** 0: no canary. */
  canary: withDefault('0s', duration({ atMost: 6 * hour })),
  /** 0: no probation. */
  watch: withDefault('0s', duration({ atMost: 6 * hour })),
  'pre-activate': text,
  'post-activate': text,

  preview: optional(previewName),
  'preview-ttl': withDefault('14d', duration({ atLeast: 1, atMost: 365 * day })),
  'preview-limit': withDefault('10', integer(1, 1000)),
  url: optional(publicUrl),
  'github-token': password,
  environment: optional(environmentName),

  /** 0: do not wait. */
  'lock-timeout': withDefault('10m', duration({ atMost: 6 * hour })),
  'keep-releases': withDefault('5', integer(1, 1000)),
  /** How many hosts swap at once, after the first. */
  batch: withDefault('1', batchSize),
  /** How many hosts are connected to, sent to and verified at once. */
  'max-parallel': withDefault('10', integer(1, 100)),
} as const satisfies Readonly<Record<string, Row<unknown>>>

export type InputName = keyof typeof table

/** The value of every input; null or empty where it is absent. */
export type Values = {
  readonly [Name in InputName]: (typeof table)[Name] extends Row<infer Value> ? Value : never
}
