/** build: installs and builds the app on the runner, and checks that the result can be deployed. */
import { install, build as runBuild } from '../next/build.ts'
import { deploymentId } from '../next/deployment-id.ts'
import { type BuildOutput, readBuildOutput } from '../next/output.ts'
import type { Project } from '../next/project.ts'
import { KEY_VARIABLE, keyForWorkers, usedAnotherKey } from '../next/server-actions.ts'
import type { Plan } from '../plan.ts'
import type { Done } from '../pipeline.ts'

export interface Built extends BuildOutput {
  /** What the workers' environment needs because of how the app was built. */
  readonly workerEnvironment: Readonly<Record<string, string>>
}

/**
 * @param key for the build's server actions
 * @throws the failures of next/
 */
export async function build(
  { inputs, activation }: Plan,
  project: Project,
  key: string | undefined,
): Promise<Done<Built>> {
  const options = { directory: project.directory, workspace: inputs.run.workspace }
  const installed = await install({ ...options, command: inputs.installCommand })
  const variables = {
    ...(key === undefined ? {} : { [KEY_VARIABLE]: key }),
    // Any name that no other build has will do.
    ...deploymentId(project.directory, activation),
  }
  const built = await runBuild({ ...options, command: inputs.buildCommand, variables })
  const output = readBuildOutput(project.directory)
  const commands = [installed, built].flatMap((argv) => (argv === undefined ? [] : [argv.join(' ')]))
  const how = commands.length === 0 ? 'used what was already built' : commands.join(', ')
  const remark = key !== undefined && usedAnotherKey(output, key) ? `; ${KEY_UNSEEN}` : ''
  const workerEnvironment = key === undefined ? {} : keyForWorkers(output, inputs.run.workspace, key)
  const value = { ...output, workerEnvironment }
  return { value, detail: `Next.js ${output.nextVersion ?? '(version unknown)'}: ${how}${remark}` }
}

const KEY_UNSEEN =
  `the build did not see ${KEY_VARIABLE}, so that pages of older releases cannot call their server actions ` +
  '(Turborepo hides it unless turbo.json lists it in `env`)'
