/** corepack installs the package manager that package.json names; Node.js 16 to 24 include it. */
import { readPackageJson } from './package-json.ts'
import { versionOf } from './command.ts'
import { ancestors } from './paths.ts'

/** npm comes with Node.js, and corepack supports no other. */
const KNOWN = /^(pnpm|yarn)@(\d+)\./

/**
 * Puts corepack in front of a command when `packageManager` names another version of its program than the PATH has:
 * GitHub's runners have no pnpm, and a Yarn 1 that does not start later ones.
 * @param directory where the command runs; `packageManager` is searched from here up to the workspace
 * @returns the command unchanged when the right version is there, or corepack is not
 */
export async function throughCorepack(
  argv: readonly string[],
  directory: string,
  workspace: string | undefined,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[]> {
  const declared = ancestors(directory, workspace)
    .map((folder) => readPackageJson(folder)?.packageManager)
    .find((found) => found !== undefined)
  const [, name, major] = KNOWN.exec(declared ?? '') ?? []
  if (name === undefined || name !== argv[0]) return argv
  const present = await versionOf(name, directory, env)
  if (present?.split('.', 1)[0] === major) return argv
  return (await versionOf('corepack', directory, env)) === undefined ? argv : ['corepack', ...argv]
}
