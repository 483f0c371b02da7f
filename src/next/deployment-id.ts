/**
 * NEXT_DEPLOYMENT_ID, by which a page notices that the server runs another build (Next.js 16.4). With it, the
 * Pages Router of an old page leaves for the new release without a word; without it, it first asks for data under
 * the old build's id and logs a 404. The App Router notices by itself, and 14.2 and 15.5 ask all the same.
 */
import { join } from 'node:path'
import { entriesIn, readTextIfAny } from './files.ts'
import { installedNextVersion } from './supported.ts'

const ID_VARIABLE = 'NEXT_DEPLOYMENT_ID'

/**
 * What the build's environment gets so that its pages can tell it from others. Nothing where it would not help,
 * or where the app has an id of its own: Next.js prefers the variable to its configuration.
 *
 * @param id letters, digits, `-` and `_`; of this build alone
 */
export function deploymentId(
  directory: string,
  id: string,
  environment: NodeJS.ProcessEnv = process.env,
): Readonly<Record<string, string>> {
  const wanted = hasPages(directory) && majorVersion(directory) >= 16
  return wanted && !environment[ID_VARIABLE] && !hasOwnId(directory) ? { [ID_VARIABLE]: id } : {}
}

/** Whether there is a page of the Pages Router; `_app` and the like are none, and neither is an API route. */
function hasPages(directory: string): boolean {
  return ['pages', 'src/pages']
    .flatMap((name) => entriesIn(join(directory, name)))
    .some(({ name }) => name !== 'api' && !name.startsWith('_'))
}

/** 0 where Next.js is not installed, or not yet. */
function majorVersion(directory: string): number {
  return Number.parseInt(installedNextVersion(directory) ?? '0', 10)
}

const SOURCES = /^(next\.config\.[cm]?[jt]s|\.env(\.local|\.production|\.production\.local)?)$/

/** By name alone: the configuration is a program. */
function hasOwnId(directory: string): boolean {
  return entriesIn(directory)
    .filter(({ name }) => SOURCES.test(name))
    .some(({ name }) => /deploymentId|NEXT_DEPLOYMENT_ID/.test(readTextIfAny(join(directory, name)) ?? ''))
}
