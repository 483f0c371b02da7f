/** Version ranges as people write them in package.json; prereleases count as the release they lead to. */
import semver from 'semver'

/** @returns undefined when the range cannot be read, such as `lts/*` */
export function satisfies(version: string, range: string): boolean | undefined {
  const release = semver.coerce(version)
  if (release === null || semver.validRange(range) === null) return undefined
  return semver.satisfies(release, range)
}

/**
 * Whether the range has a version that is `from` or later.
 *
 * @returns undefined when the range cannot be read, such as `catalog:`
 */
export function reaches(range: string, from: string): boolean | undefined {
  if (semver.validRange(range) === null) return undefined
  return semver.intersects(range, `>=${from}`, { includePrerelease: true })
}
