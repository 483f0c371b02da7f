/** Version ranges as people write them in package.json; prereleases count as the release they lead to. */
import semver from 'semver'

/** @returns undefined when the range cannot be read, such as `lts/*` */
export function satisfies(version: string, range: string): boolean | undefined {
  const release = semver.coerce(version)
  if (release === null || semver.validRange(range) === null) return undefined
  return semver.satisfies(release, range)
}

/** Whether a version is `from` or later, and before `to`; false when it cannot be read. Prereleases count as they are. */
export function isBetween(version: string, from: string, to: string): boolean {
  return semver.valid(version) !== null && semver.gte(version, from) && semver.lt(version, to)
}

export function newest(versions: readonly string[]): string {
  return [...versions].sort(semver.compare).at(-1) ?? ''
}

/** Whether the range has a version that is `from` or later; undefined when it cannot be read, such as `catalog:`. */
export function reaches(range: string, from: string): boolean | undefined {
  if (semver.validRange(range) === null) return undefined
  return semver.intersects(range, `>=${from}`, { includePrerelease: true })
}
