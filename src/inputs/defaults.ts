/**
 * Every input and its default, as action.yml states them (a test keeps the two equal): a runner fills in
 * action.yml's defaults by itself, a local run or a test does not.
 *
 * `proxy-port` has its default (22) in the code alone: with one in action.yml it would always look given, and
 * a proxy input without `proxy-host` could not be told from a forgotten one. So have `app-port` (3000) and `app-host`
 * (127.0.0.1): an app moves to another address only where the workflow says so.
 */
export const defaults = {
  command: 'deploy',
  release: undefined,
  'dry-run': 'false',
  host: undefined,
  port: '22',
  username: undefined,
  key: undefined,
  passphrase: undefined,
  password: undefined,
  'known-hosts': undefined,
  fingerprint: undefined,
  'proxy-host': undefined,
  'proxy-port': undefined,
  'proxy-username': undefined,
  'proxy-key': undefined,
  'proxy-passphrase': undefined,
  'proxy-password': undefined,
  'proxy-fingerprint': undefined,
  'connect-timeout': '30s',
  path: undefined,
  'app-name': undefined,
  'bin-path': undefined,
  'working-directory': '.',
  'install-command': undefined,
  'build-command': undefined,
  'app-port': undefined,
  'app-host': undefined,
  instances: '2',
  'max-memory': undefined,
  'node-options': undefined,
  env: undefined,
  'shared-dirs': undefined,
  'shared-files': undefined,
  'share-cache': 'true',
  'health-check-path': '/',
  'health-check-status': '200-399',
  'health-check-body': undefined,
  'health-check-timeout': '60s',
  'health-check-interval': '1s',
  'health-check-url': undefined,
  'health-check-host': undefined,
  'candidate-check': 'true',
  observe: '5s',
  'drain-timeout': '30s',
  'pre-activate': undefined,
  'post-activate': undefined,
  'lock-timeout': '10m',
  'keep-releases': '5',
  batch: '1',
  'max-parallel': '10',
} as const satisfies Readonly<Record<string, string | undefined>>

export type InputName = keyof typeof defaults

/** The inputs that always have a value. */
export type DefaultedInputName = {
  [Name in InputName]: (typeof defaults)[Name] extends string ? Name : never
}[InputName]
