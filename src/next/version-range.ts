/** The part of semver that people write in package.json; a prerelease counts as its release. */

/** @returns undefined when the range cannot be read, such as `lts/*` */
export function satisfies(version: string, range: string): boolean | undefined {
  const given = parse(version)?.low
  const alternatives = range.split('||').map(bounds)
  if (given === undefined || alternatives.includes(undefined)) return undefined
  return alternatives.some((all) =>
    all?.every(({ from, to }) => !isBefore(given, from) && isBefore(given, to)),
  )
}

/**
 * Whether the range has a version that is `from` or later.
 *
 * @returns undefined when the range cannot be read, such as `catalog:`
 */
export function reaches(range: string, from: string): boolean | undefined {
  const lowest = parse(from)?.low
  const alternatives = range.split('||').map(bounds)
  if (lowest === undefined || alternatives.includes(undefined)) return undefined
  return alternatives.some((all) => all?.every(({ to }) => isBefore(lowest, to)))
}

type Version = readonly [major: number, minor: number, patch: number]

/** From, inclusive, to, exclusive. */
interface Bounds {
  readonly from: Version
  readonly to: Version
}

const FIRST: Version = [0, 0, 0]
const NEVER: Version = [Infinity, 0, 0]

/** `>=18 <21` requires all of its parts; undefined when one cannot be read. */
function bounds(alternative: string): readonly Bounds[] | undefined {
  const hyphen = /^\s*(\S+)\s+-\s+(\S+)\s*$/.exec(alternative)
  const parts = hyphen ? [`>=${hyphen[1]}`, `<=${hyphen[2]}`] : comparators(alternative)
  const read = parts.map(boundsOf)
  return read.every((each) => each !== undefined) ? read : undefined
}

/** `>= 18 < 21` has spaces in its parts and between them. */
function comparators(alternative: string): readonly string[] {
  return alternative
    .replace(/([<>=^~])\s+/g, '$1')
    .split(/\s+/)
    .filter((part) => part !== '')
}

function boundsOf(comparator: string): Bounds | undefined {
  const [, operator = '', text = ''] = /^([<>=^~]*)(.*)$/.exec(comparator) ?? []
  const parsed = parse(text)
  if (parsed === undefined) return undefined
  const { low, given } = parsed
  switch (operator) {
    case '':
    case '=':
      return { from: low, to: after(low, given) }
    case '>=':
      return { from: low, to: NEVER }
    case '>':
      return { from: after(low, given), to: NEVER }
    case '<':
      return { from: FIRST, to: low }
    case '<=':
      return { from: FIRST, to: after(low, given) }
    case '~':
    case '~>':
      return { from: low, to: after(low, Math.min(given, 2)) }
    case '^': {
      const leftmost = low.findIndex((part) => part > 0)
      return { from: low, to: after(low, leftmost === -1 ? given : leftmost + 1) }
    }
    default:
      return undefined
  }
}

const NUMBER = String.raw`(\d+|[xX*])`
const VERSION = new RegExp(`^v?${NUMBER}(?:\\.${NUMBER})?(?:\\.${NUMBER})?(?:[-+][\\w.+-]+)?$`)

/** `given` is how many of the three numbers the text names: `20.x` names one, `*` none. */
function parse(text: string): { low: Version; given: number } | undefined {
  const found = VERSION.exec(text)
  if (found === null) return undefined
  const parts = found.slice(1).map((part) => (/^\d+$/.test(part ?? '') ? Number(part) : undefined))
  const named = parts.findIndex((part) => part === undefined)
  const given = named === -1 ? 3 : named
  const [major = 0, minor = 0, patch = 0] = parts.slice(0, given)
  return { low: [major, minor, patch], given }
}

/** The first version beyond the named numbers. */
function after([major, minor, patch]: Version, given: number): Version {
  if (given === 0) return NEVER
  if (given === 1) return [major + 1, 0, 0]
  return given === 2 ? [major, minor + 1, 0] : [major, minor, patch + 1]
}

function isBefore(a: Version, b: Version): boolean {
  const differing = a.findIndex((part, index) => part !== b[index])
  return differing !== -1 && a[differing]! < b[differing]!
}
