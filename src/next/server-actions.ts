/** The key by which Next.js names and encrypts server actions: whose it is, and whether a build has used it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BuildOutput } from './output.ts'
import { parseObject } from './package-json.ts'

/** Read by `next build`, which puts its value into the server's manifest, and by the server before that (14.2 to 16). */
export const KEY_VARIABLE = 'NEXT_SERVER_ACTIONS_ENCRYPTION_KEY'

/** Those that `next build` reads. What the environment has wins over them, so nothing may be put there then. */
const ENV_FILES = ['.env', '.env.local', '.env.production', '.env.production.local']
const ASSIGNMENT = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${KEY_VARIABLE}[ \\t]*[=:]`, 'm')

/** Whether the build finds a key of the user's own: in the job's environment, or in one of the app's `.env` files. */
export function hasOwnKey(directory: string, environment: NodeJS.ProcessEnv = process.env): boolean {
  // An empty value is what a secret that does not exist leaves.
  if (environment[KEY_VARIABLE]) return true
  return ENV_FILES.map((name) => join(directory, name)).some(
    (file) => existsSync(file) && ASSIGNMENT.test(readFileSync(file, 'utf8')),
  )
}

/** Whether the build was made with another key than this one. A build without server actions may not tell. */
export function usedAnotherKey(output: BuildOutput, key: string): boolean {
  if (readsKeyAtRunTime(output)) return false
  const file = join(output.directory, output.distDir, 'server', 'server-reference-manifest.json')
  const used = existsSync(file) ? parseObject(readFileSync(file, 'utf8'))?.encryptionKey : undefined
  return typeof used === 'string' && used !== key
}

/**
 * What the workers need besides. Next.js 14 does not keep the key that it was built with: it writes another one
 * into its manifest, and prefers the variable to that (seen in 14.2.35). Later ones keep it.
 *
 * @param workspace the repository's folder
 */
export function keyForWorkers(
  output: BuildOutput,
  workspace: string,
  key: string,
): Readonly<Record<string, string>> {
  // Where Turborepo hid it from the build, pages rendered by the build would be at odds with the workers.
  const hidden = [output.directory, workspace]
    .map((folder) => join(folder, 'turbo.json'))
    .some((file) => existsSync(file) && !readFileSync(file, 'utf8').includes(KEY_VARIABLE))
  return readsKeyAtRunTime(output) && !hidden ? { [KEY_VARIABLE]: key } : {}
}

function readsKeyAtRunTime({ nextVersion = '' }: BuildOutput): boolean {
  return Number.parseInt(nextVersion, 10) < 15
}
