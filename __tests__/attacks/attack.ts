/** Attacks: inputs made to get beyond data, counted, and none of which may get through. */
import { appendFileSync } from 'node:fs'
import { expect } from '@jest/globals'
import fc from 'fast-check'

/** All of them, rather than the core that every test run has. */
export const thorough = process.env['GAPLESS_TEST_ALL'] === '1'

export interface Target<T> {
  /** What is attacked, as the table in docs/security.md names it. */
  readonly surface: string
  readonly inputs: fc.Arbitrary<T>
  /** How often in the core and in the whole suite. Default: 300 and 20,000. */
  readonly runs?: readonly [number, number]
  /** Whether the input stayed data. What it throws got through, too. */
  holds(input: T): boolean | void | Promise<boolean | void>
}

/** Tries the inputs and fails with the smallest that got through. */
export async function attack<T>({ surface, inputs, runs = [300, 20_000], holds }: Target<T>): Promise<void> {
  let tried = 0
  const property = fc.asyncProperty(inputs, async (input) => {
    tried += 1
    return (await holds(input)) !== false
  })
  const numRuns = runs[thorough ? 1 : 0]
  // The core is the same each time: a test run must not turn red by chance.
  const result = await fc.check(property, { numRuns, ...(thorough ? {} : { seed: 1 }) })
  record(surface, tried, result.failed ? 1 : 0)
  const how = result.errorInstance instanceof Error ? `: ${result.errorInstance.stack}` : ''
  expect(result.failed ? `${readable(result.counterexample)} got through${how}` : '').toBe('')
}

/** As it can be pasted: what cannot be seen is written out. */
function readable(counterexample: unknown): string {
  return fc
    .stringify(counterexample)
    .replace(/[^ -~]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** Counts attacks that are tried one by one. */
export function record(surface: string, tried: number, through: number): void {
  const file = process.env['GAPLESS_ATTACKS']
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ surface, tried, through })}\n`)
}

/** Pieces that mean something to somebody on the way: shells, paths, options, terminals, runners, Markdown, JSON. */
const pieces: readonly string[] = [
  ['$(touch pwned)', '`touch pwned`', ';touch pwned;', '|touch pwned', '&&touch pwned', '\ntouch pwned\n'],
  ["'", '"', '\\', "'\\''", '!!', '*', '?', '[a]', '{a,b}', '~', '$HOME', '${HOME}', '%s', '#', ' ', '\t'],
  ['..', '../', '/../', '../../etc/passwd', '/etc/passwd', './', '//', '\0', '%2e%2e%2f', '.gapless'],
  ['-', '--', '-e', '--eval=process.exit()', '-oProxyCommand=touch pwned', '-rf', '@', ':', 'a:b@c'],
  [
    '\r',
    '\n',
    '\r\n',
    '\u0085',
    '\u2028',
    '\u200B',
    '\u202E',
    '\uFEFF',
    '\uD800',
    '\u001B[2J',
    '\b',
    '\u0007',
  ],
  ['::set-output name=status::live', '::add-mask::a', '::stop-commands::x', '##[error]x', '%0A::warning::x'],
  ['<script>alert(1)</script>', '</pre>', '</details>', '<!--', '-->', '&lt;', '![x](https://evil.example)'],
  ['[x](javascript:alert(1))', '| a | b |', '\n\n# x\n', '```', '**x**', '$x$', '<img src=x onerror=y>'],
  ['__proto__', 'constructor', 'toString', '{"a":1}', '[]', 'null', '${{ secrets.KEY }}', '1e999', 'NaN'],
  ['{{', 'a', '0', '1', '9'.repeat(20), 'a'.repeat(300), '=', ',', '<<EOF', 'EOF'],
].flat()

const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...pieces) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
)

/** Text from somebody who means harm. */
export const hostile: fc.Arbitrary<string> = fc
  .array(piece, { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''))

/** Valid text, and what becomes of it when pieces are put in, taken away or exchanged. */
export function mutated(valid: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const cut = fc.tuple(fc.nat(), fc.nat({ max: 40 }), fc.oneof(fc.constant(''), piece))
  return fc.tuple(valid, fc.array(cut, { maxLength: 4 })).map(([text, cuts]) =>
    cuts.reduce((changed, [at, length, put]) => {
      const start = changed.length === 0 ? 0 : at % changed.length
      return changed.slice(0, start) + put + changed.slice(start + length)
    }, text),
  )
}

/** JSON text that is nearly what a guard expects, or nothing like it. */
export function hostileJson(keys: readonly string[]): fc.Arbitrary<string> {
  const leaf = fc.oneof(hostile, fc.integer(), fc.double(), fc.boolean(), fc.constant(null))
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 3 }, leaf, tie('list'), tie('object')),
    list: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(fc.oneof(fc.constantFrom(...keys), hostile), tie('value'), { maxKeys: 6 }),
  }))
  return fc.oneof(
    { weight: 4, arbitrary: value.map((each) => JSON.stringify(each) ?? 'undefined') },
    { weight: 1, arbitrary: hostile },
  )
}
