/** What will be done, from the inputs and the project. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { appNameFromPackage, type HostAddress, type Inputs } from './inputs/index.ts'
import { readPackageJson } from './next/package-json.ts'
import { phaseNames, rowStates } from './pipeline.ts'
import type { HealthCheck } from './common/health.ts'
import {
  activationStatuses,
  activationSteps,
  entryStates,
  findingEffects,
  type RunInfo,
  type Runtime,
} from './protocol/messages.ts'

export interface Plan {
  readonly inputs: Inputs
  /** At least one; the first is the canary. */
  readonly hosts: readonly HostAddress[]
  readonly appName: string
  /** The app's folder on the server, absolute or relative to the user's home. */
  readonly path: string
  readonly run: RunInfo
  /** The name of the activation that this run may begin on each host: `post` finds it again by this. */
  readonly activation: string
}

/** @param packageName `name` in the app's package.json, if there is one */
export function createPlan(inputs: Inputs, packageName: string | undefined): Plan {
  const appName = inputs.appName ?? appNameFromPackage(packageName)
  const {
    sha = '',
    ref = '',
    actor = '',
    event = '',
    runUrl = '',
    workflow = '',
    runNumber,
    runAttempt,
  } = inputs.run
  return {
    inputs,
    hosts: inputs.hosts,
    appName,
    path: inputs.path ?? `apps/${appName}`,
    activation: randomUUID(),
    run: { commit: sha, ref, actor, event, runUrl, workflow, runNumber, runAttempt },
  }
}

/** The name in package.json. A rollback needs no checkout: then `app-name` names the app. */
export function packageName({ run, workingDirectory }: Inputs): string | undefined {
  return readPackageJson(join(run.workspace, workingDirectory))?.name
}

/** Returns the words of a run that are never masked: statuses, phases, hosts, the app's name, and the run's origin. */
export function ownWords(inputs: Inputs): readonly string[] {
  const { command, release, hosts, proxy, health, run } = inputs
  const texts = [
    ...activationStatuses,
    ...phaseNames,
    ...rowStates,
    ...activationSteps,
    ...entryStates,
    ...findingEffects,
    command,
    release,
    ...[...hosts, ...(proxy === undefined ? [] : [proxy])].flatMap(({ host, port, username }) => [
      host,
      `${host}:${port}`,
      username,
    ]),
    health.url,
    health.origin?.host,
    inputs.appName ?? packageNameIfAny(inputs),
    run.repository,
    run.sha,
    run.ref,
    run.actor,
    run.runUrl,
    run.workflow,
  ]
  return texts.filter((text) => text !== undefined)
}

/** What is wrong with package.json is said later. */
function packageNameIfAny(inputs: Inputs): string | undefined {
  try {
    return packageName(inputs)
  } catch {
    return undefined
  }
}

/**
 * How the release will run.
 * @param basePath of the Next.js app, '' when it has none
 * @param environment what the build asks for, under the user's own
 */
export function runtimeOf(
  { app, health }: Inputs,
  basePath: string,
  environment: Readonly<Record<string, string>> = {},
): Runtime {
  return {
    host: app.host,
    port: app.port,
    instances: app.instances === 'max' ? 0 : app.instances,
    maxMemoryBytes: app.maxMemoryBytes ?? null,
    nodeOptions: app.nodeOptions,
    env: { ...environment, ...app.env },
    health: healthOf(health, basePath),
    observeMs: app.observeMs,
    drainTimeoutMs: app.drainTimeoutMs,
    sharedDirs: app.sharedDirs,
    sharedFiles: app.sharedFiles,
  }
}

function healthOf(
  { path, status, body, timeoutMs, intervalMs, origin }: Inputs['health'],
  basePath: string,
): HealthCheck {
  const [pathname = '/'] = path.split('?', 1)
  const within = pathname === basePath || pathname.startsWith(`${basePath}/`)
  // `/` itself under a base path: Next answers `/base`, and redirects `/base/`.
  const under = pathname === '/' ? basePath : basePath + pathname
  const full = within || basePath === '' ? path : under + path.slice(pathname.length)
  return { path: full, status, body: body ?? null, timeoutMs, intervalMs, origin: origin ?? null }
}
