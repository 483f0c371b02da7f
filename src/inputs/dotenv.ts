/** What could not be read, by line number alone: any part of a line may be a secret. */
interface DotenvProblem {
  /** From 1. */
  readonly line: number
  /** Continues "must be …". */
  readonly expected: string
}

/** A line, or several, that set a variable. */
export interface Assignment {
  readonly key: string
  readonly value: string
  readonly quote: '' | '"' | "'"
}

interface Dotenv {
  readonly values: Readonly<Record<string, string>>
  /** All of them, in their order. */
  readonly assignments: readonly Assignment[]
  readonly problems: readonly DotenvProblem[]
}

const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=/
const blankOrComment = /^\s*(?:#.*)?$/
const quoted = /[ \t]*(?:"((?:[^"\\]|\\.)*)"|'([^']*)')/sy
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\', $: '$' }

/**
 * Reads dotenv text: `KEY=value` lines, `export ` before the key, `#` comments.
 *
 * - Unquoted: trimmed, up to a `#` that follows white space.
 * - 'Single quoted': as it stands. "Double quoted": with \n, \r, \t, \", \$ and \\. Both may span lines.
 * - `$NAME` is not expanded; of a key given twice the last value counts.
 */
export function parseDotenv(text: string): Dotenv {
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
  const whole = lines.join('\n')
  const assignments: Assignment[] = []
  const problems: DotenvProblem[] = []

  let next = 0
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? ''
    const start = next
    next += line.length + 1
    if (blankOrComment.test(line)) continue
    const [head, key] = assignment.exec(line) ?? []
    if (head === undefined || key === undefined) {
      problems.push({ line: index + 1, expected: 'KEY=value, with a key of letters, digits and underscores' })
      continue
    }

    const rest = line.slice(head.length)
    if (!/^[ \t]*["']/.test(rest)) {
      assignments.push({ key, value: rest.replace(/\s#.*$/, '').trim(), quote: '' })
      continue
    }
    quoted.lastIndex = start + head.length
    const [literal, double, single] = quoted.exec(whole) ?? []
    if (literal === undefined) {
      problems.push({ line: index + 1, expected: 'a value with a closing quote' })
      continue
    }
    const end = start + head.length + literal.length
    const lineEnd = whole.indexOf('\n', end)
    const after = whole.slice(end, lineEnd < 0 ? undefined : lineEnd)
    if (!blankOrComment.test(after)) {
      problems.push({
        line: index + 1,
        expected: 'a value with nothing but a comment after the closing quote',
      })
      continue
    }
    assignments.push(
      double === undefined
        ? { key, value: single ?? '', quote: "'" }
        : { key, value: unescape(double), quote: '"' },
    )
    index += literal.split('\n').length - 1
    next = end + after.length + 1
  }
  return {
    values: Object.fromEntries(assignments.map(({ key, value }) => [key, value])),
    assignments,
    problems,
  }
}

/** A backslash before any other character stays: `"C:\dir"` means what it shows. */
function unescape(text: string): string {
  return text.replaceAll(/\\(.)/gs, (sequence, character: string) => escapes[character] ?? sequence)
}
