/** build: installs and builds the app on the runner, and checks that the result can be deployed. */
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { buildersNode, doubtsAboutVariables, install, build as runBuild } from '../next/build.ts'
import { findBuildErrors, inRepository } from '../next/build-errors.ts'
import { assertCheckedOut } from '../next/checkout.ts'
import { assertNodeFits, doubtAboutNode } from '../next/fit.ts'
import { doubtsAbout } from '../next/freshness.ts'
import { type BuildOutput, readBuildOutput } from '../next/output.ts'
import type { Project } from '../next/project.ts'
import { KEY_VARIABLE, keyForWorkers, usedAnotherKey } from '../next/server-actions.ts'
import { installedNextVersion, refuseUnsupportedNext } from '../next/supported.ts'
import { refuseVulnerableNext } from '../next/vulnerable.ts'
import type { Plan } from '../plan.ts'
import type { Done, Log } from '../pipeline.ts'
import { Failure } from '../common/failure.ts'
import { checkEach, type Host } from '../hosts/host.ts'

export interface Built extends BuildOutput {
  /** What the workers' environment needs because of how the app was built. */
  readonly workerEnvironment: Readonly<Record<string, string>>
  /** When the build began, in ms of the runner's clock. */
  readonly beganAt: number
}

/**
 * Workflow commands are off while the app's tools print: a dependency could otherwise set this step's outputs.
 * @param key for the build's server actions
 * @throws the failures of next/
 */
export async function build(
  { inputs }: Plan,
  project: Project,
  hosts: readonly Host[],
  key: string | undefined,
  log: Log,
): Promise<Done<Built>> {
  const { workspace, runtime, 'allow-vulnerable': allowed } = inputs
  const { sharedDirs, sharedFiles } = runtime
  const missing = assertCheckedOut(project.directory, workspace, [...sharedDirs, ...sharedFiles])
  const options = { directory: project.directory, workspace, runTimeVariables: Object.keys(runtime.env) }
  const building = { ...options, command: inputs['build-command'] }
  const unseen = doubtsAboutVariables(building)
  const node = await buildersNode(building)
  const others = new Set(hosts.flatMap(({ facts }) => doubtAboutNode(node, facts) ?? []))
  for (const doubt of [...project.doubts, ...missing, ...unseen, ...others]) log.warning(doubt)
  checkEach(hosts, (facts) => assertNodeFits(project, facts))
  const work = withoutCommands(async () => {
    const before = await install({ ...options, command: inputs['install-command'] })
    const version = installedNextVersion(project.directory)
    if (version !== undefined) {
      refuseUnsupportedNext(version)
      refuseVulnerableNext(version, allowed)
    }
    const variables = key === undefined ? {} : { [KEY_VARIABLE]: key }
    const start = Date.now()
    return [before, start, await runBuild({ ...building, variables })] as const
  })
  const [installed, began, built] = await work.catch((error: unknown) => {
    annotate(Failure.from(error), project.directory, workspace, log)
    throw error
  })
  const output = readBuildOutput(project.directory, workspace)
  // A build that another job made may be of another version than the installed one.
  const allowedHoles = refuseVulnerableNext(output.nextVersion ?? '', allowed)
  const doubts = [...allowedHoles, ...doubtsAbout(output, built === undefined ? undefined : began)]
  for (const doubt of doubts) log.warning(doubt)
  const commands = [installed, built].flatMap((argv) => (argv === undefined ? [] : [argv.join(' ')]))
  const how = commands.length === 0 ? 'used the existing build' : commands.join(', ')
  const detail = `Next.js ${output.nextVersion ?? '(version unknown)'}: ${how}`
  const remarks = key !== undefined && usedAnotherKey(output, key) ? [...doubts, KEY_UNSEEN] : doubts
  const workerEnvironment = key === undefined ? {} : keyForWorkers(output, workspace, key)
  // An existing build tells no more than when its first files were written.
  const beganAt = Math.min(built === undefined ? Infinity : began, output.begunBy)
  return { value: { ...output, workerEnvironment, beganAt }, detail: [detail, ...remarks].join('. ') }
}

/** GitHub shows ten errors of a step; the last one is the run's own. */
const MOST_ANNOTATIONS = 9

/** Shows the build's errors beside the lines that they are about. */
function annotate({ code, evidence = '' }: Failure, directory: string, workspace: string, log: Log): void {
  if (code !== 'build-failed') return
  const places = findBuildErrors(evidence).flatMap(({ file, position, message }) => {
    const path = inRepository(file, directory, workspace, existsSync)
    return path === undefined
      ? []
      : [{ message, place: { file: path, line: position?.line, column: position?.column } }]
  })
  for (const { message, place } of places.slice(0, MOST_ANNOTATIONS)) log.annotate(message, place)
}

async function withoutCommands<T>(work: () => Promise<T>): Promise<T> {
  const token = `stop-${randomUUID()}`
  process.stdout.write(`::stop-commands::${token}\n`)
  try {
    return await work()
  } finally {
    // On a line of its own, whatever was printed last.
    process.stdout.write(`\n::${token}::\n`)
  }
}

const KEY_UNSEEN =
  `the build did not see ${KEY_VARIABLE}, so that pages of older releases cannot call their server actions ` +
  '(Turborepo hides it unless turbo.json lists it in `env`)'
