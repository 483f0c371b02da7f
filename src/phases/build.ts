/** build: installs and builds the app on the runner, and checks that the result can be deployed. */
import { install, build as runBuild } from '../next/build.ts'
import { assertNodeFits } from '../next/fit.ts'
import { doubtsAbout } from '../next/freshness.ts'
import { type BuildOutput, readBuildOutput } from '../next/output.ts'
import type { Project } from '../next/project.ts'
import type { Plan } from '../plan.ts'
import type { Done, Log } from '../pipeline.ts'
import { checkEach, type Host } from './hosts.ts'

/** @throws the failures of next/ */
export async function build(
  { inputs }: Plan,
  project: Project,
  hosts: readonly Host[],
  log: Log,
): Promise<Done<BuildOutput>> {
  checkEach(hosts, (facts) => assertNodeFits(project, facts))
  const options = { directory: project.directory, workspace: inputs.run.workspace }
  const installed = await install({ ...options, command: inputs.installCommand })
  const began = Date.now()
  const built = await runBuild({ ...options, command: inputs.buildCommand })
  const output = readBuildOutput(project.directory)
  const doubts = doubtsAbout(output, built === undefined ? undefined : began)
  for (const doubt of doubts) log.warning(doubt)
  const commands = [installed, built].flatMap((argv) => (argv === undefined ? [] : [argv.join(' ')]))
  const how = commands.length === 0 ? 'used what was already built' : commands.join(', ')
  const detail = `Next.js ${output.nextVersion ?? '(version unknown)'}: ${how}`
  return { value: output, detail: [detail, ...doubts].join('. ') }
}
