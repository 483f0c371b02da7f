/** How a release runs, and what counts as healthy: the inputs in the words of the protocol. */
import { failure } from '../common/errors/inputs.ts'
import type { HealthCheck } from '../common/health.ts'
import type { Runtime } from '../protocol/messages.ts'
import { parseDotenv } from './dotenv.ts'
import { overlap } from './paths.ts'
import type { Problems } from './reader.ts'
import type { Values } from './table.ts'
import { inPlaceOfPreview, requestOrigin } from './values.ts'

/** The runtime without what the build adds: the base path, and its own environment. */
export function runtimeFrom(values: Values, problems: Problems): Runtime {
  checkShared(values, problems)
  const preview = values.preview === null ? {} : previewRuntime(values)
  return {
    host: values['app-host'] ?? '127.0.0.1',
    port: values['app-port'] ?? 3000,
    instances: values.instances,
    maxMemoryBytes: values['max-memory'],
    nodeOptions: values['node-options'] ?? [],
    env: appEnvironment(values.env ?? '', problems),
    health: healthCheck(values),
    observeMs: values.observe,
    drainTimeoutMs: values['drain-timeout'],
    sharedDirs: values['shared-dirs'],
    sharedFiles: values['shared-files'],
    shareCache: values['share-cache'],
    // The server knows the path.
    socket: null,
    ...preview,
  }
}

/** Enough for most apps, and no more than a small server can spare. In bytes. */
const PREVIEW_MEMORY = 512 * 2 ** 20

/** PM2 looks at a worker's memory every 30 seconds: the limit of the heap holds in between. */
function previewRuntime(values: Values): Pick<Runtime, 'instances' | 'maxMemoryBytes' | 'nodeOptions'> {
  const maxMemoryBytes = values['max-memory'] ?? PREVIEW_MEMORY
  const given = values['node-options'] ?? []
  const isLimited = given.some((option) => /^--max[-_]old[-_]space[-_]size/.test(option))
  const limit = `--max-old-space-size=${Math.max(1, Math.floor(maxMemoryBytes / 2 ** 20))}`
  return { instances: 1, maxMemoryBytes, nodeOptions: isLimited ? given : [...given, limit] }
}

/** The app's public address, with the preview's name in its place. */
export function publicUrlOf({ url, preview }: Values): string | null {
  return url === null ? null : inPlaceOfPreview(url, preview ?? 'preview')
}

function checkShared(values: Values, problems: Problems): void {
  const files = values['shared-files']
  const [outer, inner] = overlap([...values['shared-dirs'], ...files]) ?? []
  if (outer === undefined || inner === undefined) return
  const name = files.includes(inner) ? 'shared-files' : 'shared-dirs'
  problems.add(failure('invalid-input: path named twice', { input: name, inner, outer }))
}

/** An input of its own sets it, and everything else relies on its value. */
const reserved = { PORT: 'app-port' } as const

function appEnvironment(text: string, problems: Problems): Readonly<Record<string, string>> {
  const dotenv = parseDotenv(text)
  for (const { line, expected } of dotenv.problems) {
    problems.add(failure('invalid-input: unreadable env', { line, expected }))
  }
  for (const [key, input] of Object.entries(reserved)) {
    if (Object.hasOwn(dotenv.values, key))
      problems.add(failure('invalid-input: variable of another input', { name: key, input }))
  }
  return dotenv.values
}

function healthCheck(values: Values): HealthCheck {
  const url = publicUrlOf(values) ?? values['health-check-url']
  const publicOrigin = url === null ? null : requestOrigin(new URL(url).origin)
  return {
    path: values['health-check-path'],
    status: values['health-check-status'],
    body: values['health-check-body'],
    timeoutMs: values['health-check-timeout'],
    intervalMs: values['health-check-interval'],
    origin: values['health-check-host'] ?? publicOrigin,
  }
}
