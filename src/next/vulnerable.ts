/** No deploy of a Next.js with a critical hole, unless `allow-vulnerable` names the hole. */
import { failure } from '../common/errors/build.ts'
import { type Advisory, advisories } from '../common/next-advisories.ts'
import { isBetween, newest } from './version-range.ts'

/** The names of a hole, and the first version of this line without it. */
interface Hole extends Advisory {
  readonly fixed: string
}

/** Returns the critical holes of a version of Next.js; none where the version cannot be read. */
export function holesOf(version: string): readonly Hole[] {
  return advisories.flatMap((advisory) =>
    advisory.lines
      .filter(({ from, fixed }) => isBetween(version, from, fixed))
      .slice(0, 1)
      .map(({ fixed }) => ({ ...advisory, fixed })),
  )
}

/** Returns one sentence: the advisory, the version, and the first fixed version of its line. */
export function describeHole(version: string, hole: Hole): string {
  return `Next.js ${version} has the critical hole ${nameOf(hole)}.`
}

/** Returns a warning for each hole that is allowed. @throws Failure `next-vulnerable` */
export function refuseVulnerableNext(version: string, allowed: readonly string[]): readonly string[] {
  const holes = holesOf(version)
  const isAllowed = ({ ids }: Hole) => ids.some((id) => allowed.includes(id))
  const refused = holes.filter((hole) => !isAllowed(hole))
  if (refused.length > 0) {
    throw failure('next-vulnerable', {
      version,
      holes: refused.map(nameOf).join('; '),
      fixed: firstSafe(version),
      ids: refused.map(({ ids }) => ids[0]).join(', '),
    })
  }
  return holes.map((hole) => `${describeHole(version, hole)} \`allow-vulnerable\` lets the deploy pass.`)
}

function nameOf({ ids, effect, fixed }: Hole): string {
  return `${ids.join(' / ')} (${effect}, first fixed in ${fixed})`
}

/** The version that closes one hole may have another. */
function firstSafe(version: string): string {
  const fixes = holesOf(version).map(({ fixed }) => fixed)
  return fixes.length === 0 ? version : firstSafe(newest(fixes))
}
