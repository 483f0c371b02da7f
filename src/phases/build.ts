/** build: installs and builds the app on the runner, and checks that the result can be deployed. */
import { install, build as runBuild } from '../next/build.ts'
import { type BuildOutput, readBuildOutput } from '../next/output.ts'
import type { Project } from '../next/project.ts'
import type { Plan } from '../plan.ts'
import type { Done } from '../pipeline.ts'

/** @throws the failures of next/ */
export async function build({ inputs }: Plan, project: Project): Promise<Done<BuildOutput>> {
  const options = { directory: project.directory, workspace: inputs.run.workspace }
  const installed = await install({ ...options, command: inputs.installCommand })
  const built = await runBuild({ ...options, command: inputs.buildCommand })
  const output = readBuildOutput(project.directory)
  const commands = [installed, built].flatMap((argv) => (argv === undefined ? [] : [argv.join(' ')]))
  const how = commands.length === 0 ? 'used what was already built' : commands.join(', ')
  return { value: output, detail: `Next.js ${output.nextVersion ?? '(version unknown)'}: ${how}` }
}
