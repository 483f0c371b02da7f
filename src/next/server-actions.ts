/** The key with which Next.js names and encrypts server actions: whose it is, and whether a build has used it. */
import { join } from 'node:path'
import { isSetInEnvFiles } from './env-files.ts'
import { readTextIfAny } from './files.ts'
import type { BuildOutput } from './output.ts'
import { parseObject } from './package-json.ts'

/** `next build` writes its value into the server's manifest, and the server prefers the variable (14.2 to 16). */
export const KEY_VARIABLE = 'NEXT_SERVER_ACTIONS_ENCRYPTION_KEY'

/** Whether the user sets a key for the build: in the job's environment, or in one of the app's `.env` files. */
export function hasOwnKey(directory: string, environment: NodeJS.ProcessEnv = process.env): boolean {
  // A secret that does not exist leaves an empty value.
  if (environment[KEY_VARIABLE]) return true
  return isSetInEnvFiles(directory, KEY_VARIABLE)
}

/** Whether the build used another key. A build without server actions may not show it. */
export function usedAnotherKey(output: BuildOutput, key: string): boolean {
  if (readsKeyAtRunTime(output)) return false
  const file = join(output.directory, output.distDir, 'server', 'server-reference-manifest.json')
  const used = parseObject(readTextIfAny(file) ?? '')?.encryptionKey
  return typeof used === 'string' && used !== key
}

/**
 * The environment that the workers need besides: Next.js 14 does not keep the key of the build, writes another one into
 * its manifest, and prefers the variable to that (14.2.35). Later versions keep it.
 */
export function keyForWorkers(
  output: BuildOutput,
  workspace: string,
  key: string,
): Readonly<Record<string, string>> {
  // Where Turborepo hid the key from the build, pages that the build rendered would not match the workers.
  const hidden = [output.directory, workspace]
    .map((folder) => readTextIfAny(join(folder, 'turbo.json')))
    .some((text) => text !== undefined && !text.includes(KEY_VARIABLE))
  return readsKeyAtRunTime(output) && !hidden ? { [KEY_VARIABLE]: key } : {}
}

function readsKeyAtRunTime({ nextVersion = '' }: BuildOutput): boolean {
  return Number.parseInt(nextVersion, 10) < 15
}
