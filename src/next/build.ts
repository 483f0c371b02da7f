import type { Writable } from 'node:stream'
import { failure } from '../common/errors/build.ts'
import { runCommand, versionOf, type Command } from './command.ts'
import { throughCorepack } from './corepack.ts'
import { missedVariables, putIntoStep, unseenPublicVariables } from './run-time-variables.ts'
import { detectBuildCommand, detectInstallCommand } from './package-manager.ts'
import { refusePlugNPlay } from './plug-n-play.ts'
import { stepEnvironment } from './step-environment.ts'

export interface StepOptions {
  /** The app's folder, absolute. */
  readonly directory: string
  /** The repository's folder, absolute: the search for a lockfile ends there. */
  readonly workspace?: string | undefined
  /** `install-command` or `build-command`: `none` skips the step, nothing lets it be found by itself. */
  readonly command?: string | null
  readonly environment?: NodeJS.ProcessEnv | undefined
  readonly variables?: Readonly<Record<string, string>> | undefined
  /** The names in the input `env`, which the step does not see. */
  readonly runTimeVariables?: readonly string[] | undefined
  /** Where the output goes. Default: standard output, which is the job's log. */
  readonly log?: Writable | undefined
}

/**
 * Installs the app's dependencies in the lockfile's folder. A command of the user's runs in the app's folder.
 * @returns what was run, or undefined when the step was skipped
 * @throws Failure `install-failed`, `plug-n-play`, and those of `detectInstallCommand`
 */
export async function install(options: StepOptions): Promise<readonly string[] | undefined> {
  if (options.command === 'none') return undefined
  const environment = stepEnvironment(options.environment ?? process.env)
  await refusePlugNPlay(options.directory, options.workspace, environment)
  const command = userCommand(options) ?? (await frozenInstall(options, environment))
  // With NODE_ENV=production npm, pnpm and yarn leave out devDependencies, which the build needs.
  delete environment.NODE_ENV
  await run('install-failed', 'install-command', command, environment, options)
  return command.argv
}

/**
 * Builds the app in its folder, with Next.js's output set to standalone.
 * @returns what was run, or undefined when the step was skipped
 * @throws Failure `build-failed`, `plug-n-play`, `unsupported-package-manager`, `invalid-package-json`
 */
export async function build(options: StepOptions): Promise<readonly string[] | undefined> {
  if (options.command === 'none') return undefined
  const { directory, workspace } = options
  const environment: NodeJS.ProcessEnv = {
    ...stepEnvironment(options.environment ?? process.env),
    ...options.variables,
    // Next.js 14, 15 and 16 take this as the default of `output`: no change to the user's configuration.
    NEXT_PRIVATE_STANDALONE: 'true',
    NEXT_TELEMETRY_DISABLED: '1',
  }
  await refusePlugNPlay(directory, workspace, environment)
  const command = userCommand(options) ?? (await ownBuild(options, environment))
  await run('build-failed', 'build-command', command, environment, options)
  return command.argv
}

/** Returns one sentence for each doubt. Pages in a browser have the variables of the build, and no others. */
export function doubtsAboutVariables({
  command,
  directory,
  runTimeVariables = [],
  environment = process.env,
}: StepOptions): readonly string[] {
  if (command === 'none') return []
  const names = unseenPublicVariables({ runTimeVariables, directory, environment })
  return names.length === 0 ? [] : [putIntoStep(names)]
}

/** Returns the version of the Node.js that builds; undefined when there is none, or nothing is built. */
export async function buildersNode({
  command,
  directory,
  environment = process.env,
}: StepOptions): Promise<string | undefined> {
  return command === 'none' ? undefined : versionOf('node', directory, stepEnvironment(environment))
}

function userCommand({ command, directory }: StepOptions): Command | undefined {
  if (!command?.trim()) return undefined
  // -e as in a workflow's own `run` steps: of several lines, the first that fails ends the step.
  return { argv: ['/bin/sh', '-e', '-c', command], directory, script: command }
}

async function frozenInstall(
  { directory, workspace }: StepOptions,
  environment: NodeJS.ProcessEnv,
): Promise<Command> {
  const command = await detectInstallCommand(directory, workspace)
  return { ...command, argv: await throughCorepack(command.argv, command.directory, workspace, environment) }
}

async function ownBuild(
  { directory, workspace }: StepOptions,
  environment: NodeJS.ProcessEnv,
): Promise<Command> {
  const command = await detectBuildCommand(directory, workspace)
  return { ...command, argv: await throughCorepack(command.argv, directory, workspace, environment) }
}

async function run(
  code: 'install-failed' | 'build-failed',
  input: string,
  command: Command,
  environment: NodeJS.ProcessEnv,
  { log = process.stdout, directory, runTimeVariables = [] }: StepOptions,
): Promise<void> {
  const result = await runCommand(command, environment, log)
  if (result.ok) return
  const { lastLines, missing, killed } = result
  const where = { command: command.argv.join(' '), ending: result.end, directory: command.directory }
  const details = { evidence: lastLines }
  const missed = missedVariables({ runTimeVariables, directory, environment }, lastLines)
  if (missed.length > 0) {
    const names = missed.map((name) => `\`${name}\``).join(', ')
    throw failure(`${code}: missing variables`, { ...where, names }, details)
  }
  if (missing)
    throw failure(`${code}: no program`, { ...where, program: command.argv[0] ?? '', input }, details)
  if (killed) throw failure(`${code}: killed`, where, details)
  throw failure(code, { ...where, input }, details)
}
