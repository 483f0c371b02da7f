/** The `.env` files of an app that `next build` reads. The environment takes precedence over them. */
import { join } from 'node:path'
import { readTextIfAny } from './files.ts'

const NAMES = ['.env', '.env.local', '.env.production', '.env.production.local']

/** Whether one of the files sets a variable. */
export function isSetInEnvFiles(directory: string, variable: string): boolean {
  const assignment = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${variable}[ \\t]*[=:]`, 'm')
  return NAMES.some((name) => assignment.test(readTextIfAny(join(directory, name)) ?? ''))
}
