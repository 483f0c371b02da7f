/** The inputs that say how the app runs and what counts as healthy. */
import { parseDotenv } from './dotenv.ts'
import { nodeOptions } from './node-options.ts'
import { overlap, sharedPath } from './paths.ts'
import type { InputReader } from './reader.ts'
import {
  boolean,
  duration,
  hour,
  httpUrl,
  instances,
  listenHost,
  memory,
  minute,
  type Origin,
  port,
  requestOrigin,
  requestPath,
  statusRanges,
} from './values.ts'

export interface AppSettings {
  readonly port: number
  readonly host: string
  /** Of the two, what the workflow says; null where the default counts. */
  readonly said: { readonly port: number | null; readonly host: string | null }
  readonly instances: number | 'max'
  readonly maxMemoryBytes: number | undefined
  readonly nodeOptions: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Relative to the release, as are the files; none lies in another. */
  readonly sharedDirs: readonly string[]
  readonly sharedFiles: readonly string[]
  readonly shareCache: boolean
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
  /** Whom the checks on the server ask for; undefined: the address that they go to. */
  readonly origin: Origin | undefined
}

const lines = /\n/

export function readApp(reader: InputReader): AppSettings {
  const sharedDirs = reader.list('shared-dirs', sharedPath, lines)
  const sharedFiles = reader.list('shared-files', sharedPath, lines)
  const [outer, inner] = overlap([...sharedDirs, ...sharedFiles]) ?? []
  if (outer !== undefined) {
    const name = sharedFiles.includes(inner ?? '') ? 'shared-files' : 'shared-dirs'
    reader.invalid(name, `holds "${inner}", which "${outer}" covers: expected each path once`)
  }
  const said = {
    port: reader.optional('app-port', port) ?? null,
    host: reader.optional('app-host', listenHost) ?? null,
  }
  return {
    port: said.port ?? 3000,
    host: said.host ?? '127.0.0.1',
    said,
    instances: reader.value('instances', instances),
    maxMemoryBytes: reader.optional('max-memory', memory),
    nodeOptions: reader.optional('node-options', nodeOptions) ?? [],
    env: readAppEnvironment(reader),
    sharedDirs,
    sharedFiles,
    shareCache: reader.value('share-cache', boolean),
    observeMs: reader.value('observe', duration({ atMost: 10 * minute })),
    drainTimeoutMs: reader.value('drain-timeout', duration({ atMost: hour })),
  }
}

/** An input of its own sets it, and everything else relies on its value. */
const reserved = { PORT: 'app-port' } as const

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

export function readHealthCheck(reader: InputReader): HealthCheck {
  const url = reader.optional('health-check-url', httpUrl)
  const origin = reader.optional('health-check-host', requestOrigin)
  return {
    path: reader.value('health-check-path', requestPath),
    status: reader.value('health-check-status', statusRanges),
    body: reader.text('health-check-body'),
    timeoutMs: reader.value('health-check-timeout', duration({ atLeast: 1, atMost: hour })),
    intervalMs: reader.value('health-check-interval', duration({ atLeast: 10, atMost: 10 * minute })),
    url,
    origin: origin ?? (url === undefined ? undefined : requestOrigin(new URL(url).origin)),
  }
}
