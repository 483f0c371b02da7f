/** What will be done, from the inputs and the project. */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { appNameFromPackage, type Inputs } from './inputs/index.ts'
import { readPackageJson } from './next/package-json.ts'
import { phaseNames, rowStates } from './pipeline.ts'
import {
  activationStatuses,
  activationSteps,
  entryStates,
  findingEffects,
  type Runtime,
} from './protocol/messages.ts'

export interface Plan {
  readonly inputs: Inputs
  /** Empty where nobody named the app and the command can do without. */
  readonly appName: string
  /** The app's folder on the server, absolute or relative to the user's home. */
  readonly path: string
  /** The name of the activation that this run may begin on each host: `post` finds it again by this. */
  readonly activation: string
}

/** @param packageName `name` in the app's package.json, if there is one */
export function createPlan(inputs: Inputs, packageName: string | undefined): Plan {
  const app = inputs['app-name'] ?? (looksAtServer(inputs) ? nameIfAny : appNameFromPackage)(packageName)
  const path = inputs.path ?? (app === '' ? 'apps' : `apps/${app}`)
  const { preview } = inputs
  const place =
    preview === null
      ? { appName: app, path }
      : { appName: `${app}-${preview}`, path: `${path}/previews/${preview}` }
  return { inputs, ...place, activation: randomUUID() }
}

/** Whether the command is about the server, and not about one app on it. */
function looksAtServer({ command }: Pick<Inputs, 'command'>): boolean {
  return command === 'check' || command === 'setup'
}

function nameIfAny(packageName: string | undefined): string {
  try {
    return appNameFromPackage(packageName)
  } catch {
    return ''
  }
}

/** Whether the command builds the checkout and uploads it. */
export function buildsCheckout({ command }: Pick<Inputs, 'command'>): boolean {
  return command === 'deploy' || command === 'stage' || command === 'preview'
}

/** The name in package.json. A rollback needs no checkout: then `app-name` names the app. */
export function packageName(inputs: Inputs): string | undefined {
  return looksAtServer(inputs) ? packageNameIfAny(inputs) : readName(inputs)
}

function readName({ workspace, ...inputs }: Inputs): string | undefined {
  return readPackageJson(join(workspace, inputs['working-directory']))?.name
}

/** Returns the words of a run that are never masked: statuses, phases, hosts, the app's name, and the run's origin. */
export function ownWords(inputs: Inputs): readonly string[] {
  const { command, release, targets, proxy, runtime, run } = inputs
  const texts = [
    ...activationStatuses,
    'staged',
    ...phaseNames,
    ...rowStates,
    ...activationSteps,
    ...entryStates,
    ...findingEffects,
    command,
    release,
    ...[...targets, ...(proxy === null ? [] : [proxy])].flatMap(({ host, port, username }) => [
      host,
      `${host}:${port}`,
      username,
    ]),
    inputs['health-check-url'],
    inputs.publicUrl,
    inputs.preview,
    inputs.environment,
    runtime.health.origin?.host,
    inputs['app-name'] ?? packageNameIfAny(inputs),
    inputs.repository,
    run.commit,
    run.ref,
    run.actor,
    run.runUrl,
    run.workflow,
  ]
  return texts.flatMap((text) => text || [])
}

/** What is wrong with package.json is said later. */
function packageNameIfAny(inputs: Inputs): string | undefined {
  try {
    return readName(inputs)
  } catch {
    return undefined
  }
}

/** How the release will run. @param environment what the build asks for, under the user's own */
export function runtimeOf(
  { runtime }: Inputs,
  basePath: string,
  environment: Readonly<Record<string, string>> = {},
): Runtime {
  const health = { ...runtime.health, path: below(basePath, runtime.health.path) }
  return { ...runtime, env: { ...environment, ...runtime.env }, health }
}

/** The path of a request, with the base path unless it has that already. */
function below(basePath: string, path: string): string {
  const [pathname = '/'] = path.split('?', 1)
  const within = pathname === basePath || pathname.startsWith(`${basePath}/`)
  // `/` itself under a base path: Next answers `/base`, and redirects `/base/`.
  const under = pathname === '/' ? basePath : basePath + pathname
  return within || basePath === '' ? path : under + path.slice(pathname.length)
}
