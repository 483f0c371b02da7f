/** build: installs and builds the app on the runner, and checks that the result can be deployed. */
import { randomUUID } from 'node:crypto'
import { install, build as runBuild } from '../next/build.ts'
import { type BuildOutput, readBuildOutput } from '../next/output.ts'
import type { Project } from '../next/project.ts'
import type { Plan } from '../plan.ts'
import type { Done } from '../pipeline.ts'

/**
 * What the app's tools print is shown as it comes, and none of it is a command to the runner: a dependency could
 * otherwise set this step's outputs.
 * @throws the failures of next/
 */
export async function build({ inputs }: Plan, project: Project): Promise<Done<BuildOutput>> {
  const options = { directory: project.directory, workspace: inputs.run.workspace }
  const [installed, built] = await withoutCommands(async () => [
    await install({ ...options, command: inputs.installCommand }),
    await runBuild({ ...options, command: inputs.buildCommand }),
  ])
  const output = readBuildOutput(project.directory)
  const commands = [installed, built].flatMap((argv) => (argv === undefined ? [] : [argv.join(' ')]))
  const how = commands.length === 0 ? 'used what was already built' : commands.join(', ')
  return { value: output, detail: `Next.js ${output.nextVersion ?? '(version unknown)'}: ${how}` }
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
