/** Beside Next.js's own reader: a variable gets a warning exactly where the two read it differently. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from '@jest/globals'
import nextEnv from '@next/env'
import fc from 'fast-check'
import { parseDotenv } from '../../src/inputs/dotenv.ts'
import { dotenvDoubts } from '../../src/inputs/next-dotenv.ts'

const folder = mkdtempSync(join(tmpdir(), 'gapless-dotenv-'))
afterAll(() => rmSync(folder, { recursive: true }))

const silent = { info: () => undefined, error: () => undefined }

/** As Next.js reads it in production. */
function readByNext(text: string): Readonly<Record<string, string | undefined>> {
  writeFileSync(join(folder, '.env'), text)
  const { loadedEnvFiles } = nextEnv.loadEnvConfig(folder, false, silent, true)
  return loadedEnvFiles[0]?.env ?? {}
}

const pieces = [
  ['$', '${', '}', '\\', '#', ' #', ' ', '"', "'", '`', 'a', 'KX', '\\n', '\\r', '\\t', '\\"', '\\$', '='],
  ['\n', '\n\n', '\t', 'export ', ':', ': ', '$KX', '${KX:-x}', 'ü'],
].flat()

const warned = (text: string) =>
  dotenvDoubts(text).map((line) => /would read (\w+) differently/.exec(line)?.[1])

describe('a variable gets a warning', () => {
  test.each([
    ['A=$HOME', 'replaces `$NAME`', 'double quotes, with `\\$` for each `$`'],
    ["A='pa$$word'", 'replaces `$NAME`', 'double quotes, with `\\$` for each `$`'],
    ['A=${B}', 'replaces `$NAME`', 'double quotes, with `\\$` for each `$`'],
    ['A=pass#word', 'ends a value without quotes at `#`', 'single quotes'],
    ['A=`x`', 'takes backticks for quotes', 'single quotes'],
    ['A="say \\"x\\""', 'in double quotes it knows', 'single quotes'],
    ['A="C:\\\\dir"', 'in double quotes it knows', 'single quotes'],
    ['A=a\\$b', 'reads `\\$` as `$`', 'double quotes, with `\\$` for each `$`'],
    [`A="it's \\"#"`, 'in double quotes it knows', 'No spelling'],
  ])('for %j, with the reason and a spelling', (text, reason, spelling) => {
    const [line, ...others] = dotenvDoubts(text)
    expect(line).toContain(reason)
    expect(line).toContain(spelling)
    expect(others).toEqual([])
  })

  test.each([
    'A=1',
    'A="a\\nb"',
    "A='x # y'",
    'A=$',
    'A="a\\$b"',
    'A=a b # note',
    'A="C:\\dir"',
    'export A=b=c==',
  ])('never for %j', (text) => expect(dotenvDoubts(text)).toEqual([]))

  test('that shows nothing of its value', () => {
    expect(dotenvDoubts('A=hunter2#$x').join()).not.toMatch(/hunter2|\$x/)
  })

  test('exactly where Next.js reads another value', () => {
    const value = fc.array(fc.constantFrom(...pieces), { maxLength: 6 }).map((parts) => parts.join(''))
    const spelled = fc
      .tuple(
        fc.constantFrom('KA', 'KB', 'KC'),
        fc.constantFrom('=', ' = ', '='),
        fc.constantFrom('', '"', "'"),
        value,
      )
      .map(([key, sign, quote, text]) => `${key}${sign}${quote}${text}${quote}`)
    const text = fc.array(spelled, { minLength: 1, maxLength: 3 }).map((lines) => lines.join('\n'))
    fc.assert(
      fc.property(text, (given) => {
        const { values, problems } = parseDotenv(given)
        // Refused: nobody deploys it.
        if (problems.length > 0) return
        const next = readByNext(given)
        // A variable that refers to itself has no end there: the file is left out.
        if (Object.keys(next).length === 0) return
        const differ = Object.keys(values).filter((key) => next[key] !== values[key])
        const doubts = warned(given)
        expect(doubts).toEqual(expect.arrayContaining(differ))
        // What `$NAME` is replaced by may happen to be the same.
        expect(differ).toEqual(expect.arrayContaining(doubts.filter((key) => !values[key!]!.includes('$'))))
      }),
      { numRuns: process.env['GAPLESS_TEST_ALL'] === '1' ? 20_000 : 3000, seed: 1 },
    )
  })
})
