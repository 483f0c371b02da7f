import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'

const root = join(import.meta.dirname, '..')

/**
 * Codes that reach `new Failure(` through a variable, by file and expression. A new one fails the first test
 * below until it is listed here.
 */
const passedOn: Readonly<Record<string, readonly string[]>> = {
  // An error that arrived from the server or is worded anew has its code already; the second argument of
  // Failure.from is read from the calls.
  'common/failure.ts code': [],
  'agent/activation/decide.ts code: string': [],
  // The reader collects what is wrong with the inputs before it throws.
  'inputs/reader.ts first.code': ['invalid-input', 'missing-input'],
  'inputs/reader.ts code': ['invalid-input'],
  // One helper, called for three ways of not being healthy.
  'agent/activation/candidate.ts code': ['candidate-died', 'candidate-unhealthy', 'candidate-silent'],
  // One helper that runs both commands.
  'next/build.ts code': ['install-failed', 'build-failed'],
}

interface Source {
  readonly file: string
  /** Without comments: they may show code. */
  readonly text: string
}

const sources: readonly Source[] = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, text: withoutComments(readFileSync(join(root, 'src', file), 'utf8')) }))

/** The first arguments of `new Failure(` and of what a decision calls a problem, as written. */
const raised = sources.flatMap(({ file, text }) =>
  [...text.matchAll(/\b(?:new Failure|problem)\(\s*([^,)]+)/g)].map(([, argument = '']) => ({
    file,
    argument,
  })),
)
/** The codes given to a thrown value that is no Failure yet, and the one for all others. */
const fallbacks = sources.flatMap(({ text }) => [
  ...matches(text, /\bFailure\.from\([^()]*,\s*'([^']+)'/g),
  ...matches(text, /\bfrom\(error: unknown, code = '([^']+)'/g),
])

const literals = raised.flatMap(({ argument }) => matches(argument, /^'([^']*)'$/g))
const codes = new Set([...literals, ...fallbacks, ...Object.values(passedOn).flat()])

const text = readFileSync(join(root, 'docs', 'errors.md'), 'utf8')
const sections = text.split(/^## /m).slice(1)
const documented = sections.map((section) => section.split('\n', 1)[0] ?? '')

describe('the codes in the source', () => {
  test('are literals, or listed here', () => {
    const variables = raised
      .filter(({ argument }) => !/^'[^']*'$/.test(argument))
      .map(({ file, argument }) => `${file} ${argument.trim()}`)
    expect([...new Set(variables)].toSorted()).toEqual(Object.keys(passedOn).toSorted())
  })

  test('are still there where they are listed here', () => {
    const all = sources.map(({ text }) => text).join('\n')
    for (const code of Object.values(passedOn).flat()) expect(all).toContain(`'${code}'`)
  })

  test('are kebab-case', () => {
    for (const code of codes) expect(code).toMatch(/^[a-z]+\d?(-[a-z]+)*$/)
  })

  test('are found at all', () => {
    expect(literals).toContain('host-key-mismatch')
    expect(literals).toContain('worker-died')
    expect(fallbacks.toSorted()).toEqual(['agent-failed', 'internal'])
  })
})

describe('docs/errors.md', () => {
  test('has a paragraph for every code', () => {
    expect([...codes].filter((code) => !documented.includes(code)).toSorted()).toEqual([])
  })

  test('has no paragraph for a code that nothing raises', () => {
    expect(documented.filter((code) => !codes.has(code))).toEqual([])
  })

  test('lists every code under a phase, and nothing else', () => {
    const listed = matches(text.slice(0, text.indexOf('\n## ')), /\[`([^`]+)`\]\(#\1\)/g)
    expect([...new Set(listed)].toSorted()).toEqual([...codes].toSorted())
  })

  test('has each code once, in alphabetical order', () => {
    expect(documented).toEqual([...new Set(documented)].toSorted())
  })

  test.each(sections.map((section, index) => [documented[index] ?? '', section] as const))(
    '%s: what it means, likely causes, what to do',
    (_, section) => {
      expect(section).toMatch(
        /^[^\n]+\n\n[A-Z`][^\n]{20,}\n\n- \*\*Likely causes:\*\* [^\n]+\.\n- \*\*What to do:\*\* [^\n]+\.\n+$/,
      )
    },
  )
})

function matches(text: string, pattern: RegExp): readonly string[] {
  return [...text.matchAll(pattern)].map(([, found = '']) => found)
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}
