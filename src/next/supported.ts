/** The versions of Next.js that can be deployed. */
import { join } from 'node:path'
import { failure } from '../common/errors/build.ts'
import { type PackageJson, readPackageJson } from './package-json.ts'
import { ancestors } from './paths.ts'
import { reaches } from './version-range.ts'

/** Builds of older versions lack what a release needs (`relativeAppDir`, missing in 13.0). */
const OLDEST = '14.0.0'

/**
 * @param range such as `^13.0.0`, or an exact version; one that cannot be read, such as `catalog:`, is accepted
 * @throws Failure `next-unsupported` when no version in the range can be deployed
 */
export function refuseUnsupportedNext(range: string): void {
  if (reaches(range, OLDEST) !== false) return
  throw failure('next-unsupported', { range })
}

/** Returns the version of Next.js that is installed for an app, if any. */
export function installedNextVersion(directory: string): string | undefined {
  return nextIn(ancestors(directory))?.version
}

export function nextIn(folders: readonly string[]): PackageJson | undefined {
  return folders
    .map((folder) => readPackageJson(join(folder, 'node_modules/next')))
    .find((next) => next?.version !== undefined)
}
