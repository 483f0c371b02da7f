import type { Writable } from 'node:stream'
import { Failure } from '../common/failure.ts'
import { runCommand, versionOf, type Command, type CommandResult } from './command.ts'
import { throughCorepack } from './corepack.ts'
import { missedVariables, putIntoStep, unseenPublicVariables } from './run-time-variables.ts'
import { detectBuildCommand, detectPackageManager } from './package-manager.ts'
import { refusePlugNPlay } from './plug-n-play.ts'

export interface StepOptions {
  /** The app's folder, absolute. */
  readonly directory: string
  /** The repository's folder, absolute: the search for a lockfile ends there. */
  readonly workspace?: string | undefined
  /** `install-command` or `build-command`: `none` skips the step, nothing lets it be found by itself. */
  readonly command?: string | undefined
  /** Defaults to this process's environment. */
  readonly environment?: NodeJS.ProcessEnv | undefined
  /** What the step's environment has besides. */
  readonly variables?: Readonly<Record<string, string>> | undefined
  /** The names in the input `env`, none of which the step sees. */
  readonly runTimeVariables?: readonly string[] | undefined
  /** Where the output goes as it comes. Defaults to standard output, which is the job's log. */
  readonly log?: Writable | undefined
}

/**
 * Installs the app's dependencies as the lockfile has them, in the lockfile's folder; a command of the user's
 * runs in the app's folder.
 *
 * @returns what was run, or undefined when the step was skipped
 * @throws Failure `install-failed`, `plug-n-play`, and those of `detectPackageManager`
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
 *
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

/**
 * What speaks against the build's result before it is made: one sentence each to warn of. Pages in a browser have the
 * variables that the build had, and no others.
 */
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

/** The version of the Node.js that the build runs on; undefined when there is none, or nothing is built. */
export async function buildersNode({
  command,
  directory,
  environment = process.env,
}: StepOptions): Promise<string | undefined> {
  return command === 'none' ? undefined : versionOf('node', directory, stepEnvironment(environment))
}

/** This action's inputs, what it saved for `post`, and the tokens that the runner gives to actions. */
const WITHHELD = ['INPUT_', 'STATE_', 'ACTIONS_']

/** The files in which the action says how the deploy ended, and those that steer the steps after this one. */
const WITHHELD_FILES = new Set([
  'GITHUB_OUTPUT',
  'GITHUB_STATE',
  'GITHUB_STEP_SUMMARY',
  'GITHUB_ENV',
  'GITHUB_PATH',
])

/** The environment without what only the action itself may know: the SSH key is in INPUT_KEY. */
function stepEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const allowed = Object.entries(environment).filter(
    ([name]) => !WITHHELD_FILES.has(name) && !WITHHELD.some((prefix) => name.startsWith(prefix)),
  )
  // corepack would ask before it downloads, and nobody is there to answer.
  return { COREPACK_ENABLE_DOWNLOAD_PROMPT: '0', ...Object.fromEntries(allowed) }
}

function userCommand({ command, directory }: StepOptions): Command | undefined {
  if (command === undefined || command.trim() === '') return undefined
  // -e as in a workflow's own `run` steps: of several lines, the first that fails ends the step.
  return { argv: ['/bin/sh', '-e', '-c', command], directory, script: command }
}

async function frozenInstall(
  { directory, workspace }: StepOptions,
  environment: NodeJS.ProcessEnv,
): Promise<Command> {
  const { installCommand, lockfileDirectory } = await detectPackageManager(directory, workspace)
  const argv = await throughCorepack(installCommand, lockfileDirectory, workspace, environment)
  return { argv, directory: lockfileDirectory }
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
  const name = command.argv.join(' ')
  const missed = missedVariables({ runTimeVariables, directory, environment }, result.lastLines)
  throw new Failure(code, `\`${name}\` ${result.end} in ${command.directory}.`, {
    remedy: missed.length > 0 ? putIntoStep(missed) : remedyFor(result, command, input),
    evidence: result.lastLines,
  })
}

function remedyFor({ missing, killed }: CommandResult, { argv }: Command, input: string): string {
  if (missing) return `Set up ${argv[0]} in a step before this one, or set ${input}.`
  if (killed) {
    return 'The machine most likely ran out of memory: use a larger runner or lower what the build needs.'
  }
  return `Correct what its last lines say, or set ${input} if this is not the right command.`
}
